//! Which path gives which answer, and what a fault makes of it.

use serde_json::json;

use super::fault::{Fault, Mode};
use super::http::{Delivery, Request, Response};
use super::render;
use super::scenario::Scenario;

const JSON: &str = "application/json; charset=utf-8";

/// What a request leads to.
pub(crate) enum Answer {
    /// A body of known length, and how it goes out.
    Body(Response, Delivery),
    /// The event stream, restricted to these event types (none: all).
    Events(Vec<String>),
}

/// The answer to `request`; `leader` is this Marathon's `host:port`.
pub(crate) fn answer(request: &Request, scenario: &Scenario, fault: Fault, leader: &str) -> Answer {
    match fault.mode {
        Mode::Error500 => Answer::Body(error_500(), Delivery::Whole),
        Mode::Html => Answer::Body(login_page(), Delivery::Whole),
        Mode::Truncated => deliver(route(request, scenario, leader), Delivery::Half),
        Mode::Slow => deliver(
            route(request, scenario, leader),
            Delivery::Drops(fault.drop_every()),
        ),
        Mode::Empty => {
            let nothing = Scenario {
                framework: scenario.framework.clone(),
                apps: Vec::new(),
            };
            route(request, &nothing, leader)
        }
        Mode::Ok | Mode::Down => route(request, scenario, leader),
    }
}

fn deliver(answer: Answer, delivery: Delivery) -> Answer {
    match answer {
        Answer::Body(response, _) => Answer::Body(response, delivery),
        events @ Answer::Events(_) => events,
    }
}

fn whole(response: Response) -> Answer {
    Answer::Body(response, Delivery::Whole)
}

fn route(request: &Request, scenario: &Scenario, leader: &str) -> Answer {
    if request.method != "GET" {
        return whole(message(
            "405 Method Not Allowed",
            "this stand-in only reads",
        ));
    }
    match request.path.as_str() {
        "/v2/info" => whole(ok(render::info(scenario, leader).to_string())),
        "/v2/apps" => {
            let embed = request
                .query
                .iter()
                .any(|(k, v)| k == "embed" && v == "apps.tasks");
            whole(ok(render::apps(scenario, embed).to_string()))
        }
        "/v2/leader" => whole(ok(json!({ "leader": leader }).to_string())),
        "/v2/events" => events(request),
        "/ping" => whole(Response {
            content_type: "text/plain",
            ..ok("pong".into())
        }),
        path => whole(message("404 Not Found", &format!("{path} does not exist"))),
    }
}

fn events(request: &Request) -> Answer {
    if !request.accept.contains("text/event-stream") {
        return whole(message(
            "405 Method Not Allowed",
            "Accept: text/event-stream is required",
        ));
    }
    let types = request.query.iter().filter(|(key, _)| key == "event_type");
    Answer::Events(types.map(|(_, value)| value.clone()).collect())
}

fn ok(body: String) -> Response {
    Response {
        status: "200 OK",
        content_type: JSON,
        body,
    }
}

fn message(status: &'static str, text: &str) -> Response {
    Response {
        status,
        content_type: JSON,
        body: json!({ "message": text }).to_string(),
    }
}

fn error_500() -> Response {
    message(
        "500 Internal Server Error",
        "Futures timed out after [30 seconds]",
    )
}

fn login_page() -> Response {
    let body =
        "<!doctype html>\n<html><head><title>Sign in</title></head><body>Sign in</body></html>\n";
    Response {
        status: "200 OK",
        content_type: "text/html",
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scenario::App;
    use super::*;

    fn get(path: &str, query: &[(&str, &str)], accept: &str) -> Request {
        Request {
            method: "GET".into(),
            path: path.into(),
            query: query.iter().map(|&(k, v)| (k.into(), v.into())).collect(),
            accept: accept.into(),
            close: false,
        }
    }

    fn body(request: &Request, mode: Mode) -> (Response, Delivery) {
        let scenario = Scenario::of(vec![App::bridge("/web")]);
        match answer(request, &scenario, Fault::of(mode), "10.99.0.1:8080") {
            Answer::Body(response, delivery) => (response, delivery),
            Answer::Events(_) => panic!("not a body"),
        }
    }

    #[test]
    fn each_fault_spoils_the_list_in_its_own_way() {
        let apps = get("/v2/apps", &[("embed", "apps.tasks")], "application/json");
        let (good, delivery) = body(&apps, Mode::Ok);
        assert!(good.body.contains("/web") && delivery == Delivery::Whole);
        assert!(body(&apps, Mode::Error500).0.status.starts_with("500"));
        assert_eq!(body(&apps, Mode::Html).0.content_type, "text/html");
        assert_eq!(body(&apps, Mode::Truncated), (good, Delivery::Half));
        assert_eq!(body(&apps, Mode::Empty).0.body, r#"{"apps":[]}"#);
        assert!(matches!(body(&apps, Mode::Slow).1, Delivery::Drops(_)));
    }

    #[test]
    fn the_small_endpoints_answer_as_marathon_does() {
        assert_eq!(body(&get("/ping", &[], ""), Mode::Ok).0.body, "pong");
        let leader = body(&get("/v2/leader", &[], ""), Mode::Ok).0.body;
        assert_eq!(leader, r#"{"leader":"10.99.0.1:8080"}"#);
        assert!(
            body(&get("/v2/nothing", &[], ""), Mode::Ok)
                .0
                .status
                .starts_with("404")
        );
    }

    #[test]
    fn events_need_the_right_accept_header_and_take_filters() {
        let plain = get("/v2/events", &[], "application/json");
        assert!(body(&plain, Mode::Ok).0.status.starts_with("405"));
        let filtered = get(
            "/v2/events",
            &[("event_type", "status_update_event")],
            "text/event-stream",
        );
        let scenario = Scenario::default();
        match answer(&filtered, &scenario, Fault::default(), "x") {
            Answer::Events(types) => assert_eq!(types, ["status_update_event"]),
            Answer::Body(..) => panic!("not a stream"),
        }
    }
}
