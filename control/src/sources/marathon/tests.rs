//! The source against a scripted Marathon. The clock is paused: it moves on to the next timer
//! whenever nothing else can happen, so that no test waits or depends on the machine's speed.

use std::sync::Arc;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::script::{Answer, Server, json as good};
use super::*;
use crate::desired::Snapshot;
use crate::sources::SourceState;

const APPS: &str = "/v2/apps";
const STATUS_UPDATE: &str = "event: status_update_event\r\ndata: {}\r\n\r\n";

fn options(servers: &[&Server]) -> Options {
    Options {
        urls: servers.iter().map(|server| server.url.clone()).collect(),
        framework: None,
        debounce: Duration::from_millis(200),
        resync: Duration::from_secs(3600),
        timeout: Duration::from_secs(30),
        empty_hold: Duration::from_secs(300),
        max_body: 64 * 1024,
    }
}

/// The source under test.
struct Run {
    source: Source,
    shutdown: CancellationToken,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Run {
    fn start(options: Options) -> Self {
        let shutdown = CancellationToken::new();
        let source = spawn(options, shutdown.clone()).expect("the options are right");
        Self { source, shutdown }
    }

    /// The first state from now on that fits.
    async fn until(&mut self, what: &str, fits: impl FnMut(&SourceState) -> bool) -> SourceState {
        let waited = timeout(
            Duration::from_secs(24 * 3600),
            self.source.state.wait_for(fits),
        )
        .await;
        waited
            .unwrap_or_else(|_| panic!("never: {what}"))
            .expect("the source is there")
            .clone()
    }

    async fn fault(&mut self) -> String {
        let state = self.until("a fault", |state| state.fault.is_some()).await;
        state.fault.expect("just seen").message
    }

    async fn port(&mut self, port: u16) -> SourceState {
        self.until(&format!("backend port {port}"), |state| {
            ports(state.snapshot.as_ref()) == [port]
        })
        .await
    }
}

fn ports(snapshot: Option<&Arc<Snapshot>>) -> Vec<u16> {
    let services = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.services.values());
    services
        .flat_map(|service| service.backends.keys().map(std::net::SocketAddr::port))
        .collect()
}

fn names_of(state: &SourceState) -> Vec<String> {
    let services = state
        .snapshot
        .iter()
        .flat_map(|snapshot| snapshot.services.keys());
    services.map(ToString::to_string).collect()
}

fn names(run: &Run) -> Vec<String> {
    names_of(&run.source.state.borrow())
}

/// An app list with one VIP, served on one port.
fn apps(port: u16) -> Answer {
    let task = json!({"id": "t", "state": "TASK_RUNNING", "host": "10.0.0.1", "ports": [port]});
    let app = json!({"id": "/web", "portDefinitions": [{"labels": {"VIP_0": "/web:80"}}], "tasks": [task]});
    good(&json!({"apps": [app]}).to_string())
}

/// Waits until the event stream has begun and the read that it causes is done.
async fn settled(server: &Server) {
    while server.streams() == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_good_read_is_published_with_the_framework_that_marathon_names() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    let state = run.port(1000).await;
    let names: Vec<String> = state
        .snapshot
        .iter()
        .flat_map(|s| s.services.keys())
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["web.marathon:80/tcp"]);
    assert!(state.fault.is_none());
    assert_eq!(server.requests(APPS)[0].path, "/v2/apps?embed=apps.tasks");
    settled(&server).await;
    let events = &server.requests("/v2/events")[0];
    assert_eq!(events.path, "/v2/events?plan-format=light");
    assert!(
        events.head.contains("accept: text/event-stream"),
        "{}",
        events.head
    );
}

#[tokio::test(start_paused = true)]
async fn a_configured_framework_is_not_asked_for() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(Options {
        framework: Some("other".to_owned()),
        ..options(&[&server])
    });
    let state = run.port(1000).await;
    let snapshot = state.snapshot.expect("just seen");
    assert!(
        snapshot
            .services
            .keys()
            .any(|key| key.to_string() == "web.other:80/tcp")
    );
    assert!(server.requests("/v2/info").is_empty());
}

/// Every bad answer leaves the snapshot, is a fault that shows what came, and ends with the
/// next good answer.
async fn bad_answer_changes_nothing(bad: Answer, shown: &[&str]) {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    server.set(APPS, bad);
    server.emit(STATUS_UPDATE);
    let fault = run.fault().await;
    assert!(fault.contains(&format!("{}v2/apps", server.url)), "{fault}");
    for part in shown {
        assert!(fault.contains(part), "{part:?} is missing: {fault}");
    }
    assert_eq!(ports(run.source.state.borrow().snapshot.as_ref()), [1000]);
    server.set(APPS, apps(1001));
    let state = run.port(1001).await;
    assert!(state.fault.is_none() && state.failures_total >= 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_status_changes_nothing() {
    let bad = Answer::Body(500, "text/plain", "out of memory".to_owned());
    bad_answer_changes_nothing(bad, &["500", "out of memory"]).await;
}

#[tokio::test(start_paused = true)]
async fn html_changes_nothing() {
    let bad = Answer::Body(200, "text/html", "<html>Log in</html>".to_owned());
    bad_answer_changes_nothing(bad, &["text/html", "<html>Log in"]).await;
}

#[tokio::test(start_paused = true)]
async fn json_that_is_cut_off_changes_nothing() {
    bad_answer_changes_nothing(
        good("{\"apps\": [{\"id\": \"/a\""),
        &["no valid JSON", "JSON, not shown"],
    )
    .await;
    bad_answer_changes_nothing(
        Answer::CutOff("{\"apps\": []}".to_owned()),
        &["check that Marathon runs"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn json_without_apps_changes_nothing() {
    bad_answer_changes_nothing(good("{\"message\": \"?\"}"), &["no list of apps"]).await;
    bad_answer_changes_nothing(good("{\"apps\": null}"), &["no list of apps"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_changes_nothing() {
    bad_answer_changes_nothing(Answer::Stall, &["within 30 s"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_changes_nothing() {
    bad_answer_changes_nothing(good(&" ".repeat(70_000)), &["65536 bytes", "max_body"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_good_read_has_no_snapshot() {
    let server = Server::start().await;
    let mut run = Run::start(options(&[&server]));
    let fault = run.fault().await;
    assert!(fault.contains("404"), "{fault}");
    assert!(run.source.state.borrow().snapshot.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_after_a_full_one_is_held_back() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    server.set(APPS, good("{\"apps\": []}"));
    server.emit(STATUS_UPDATE);
    let fault = run.fault().await;
    let began = Instant::now();
    assert!(fault.contains("empty_hold"), "{fault}");
    assert_eq!(ports(run.source.state.borrow().snapshot.as_ref()), [1000]);
    let state = run.until("belief", |state| state.fault.is_none()).await;
    assert!(state.snapshot.expect("there was one").services.is_empty());
    assert!(
        began.elapsed() >= Duration::from_secs(299),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_forgotten_when_apps_are_back() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    server.set(APPS, good("{\"apps\": []}"));
    server.emit(STATUS_UPDATE);
    run.fault().await;
    server.set(APPS, apps(1001));
    server.emit(STATUS_UPDATE);
    assert!(run.port(1001).await.fault.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_at_the_start_is_believed() {
    let server = Server::start().await;
    server.set(APPS, good("{\"apps\": []}"));
    let mut run = Run::start(options(&[&server]));
    let state = run.until("a read", |state| state.snapshot.is_some()).await;
    assert!(state.fault.is_none());
}

#[tokio::test(start_paused = true)]
async fn events_within_the_debounce_time_cause_one_read() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    let before = server.requests(APPS).len();
    server.set(APPS, apps(1001));
    for _ in 0..10 {
        server.emit(STATUS_UPDATE);
        sleep(Duration::from_millis(10)).await;
    }
    run.port(1001).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(server.requests(APPS).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn events_that_matter_to_nobody_cause_no_read() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    let before = server.requests(APPS).len();
    server.emit("event: framework_message_event\r\ndata: {}\r\n\r\n");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(server.requests(APPS).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_is_begun_again_and_what_was_missed_is_read() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    server.emit("\r\n");
    server.cut();
    server.set(APPS, apps(1001));
    run.port(1001).await;
    assert_eq!(server.requests("/v2/events").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_stream_may_be_another_marathons_so_its_name_is_asked_for() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    let info = json!({"marathon_config": {"framework_name": "renamed"}});
    server.set("/v2/info", good(&info.to_string()));
    server.emit(STATUS_UPDATE);
    server.set(APPS, apps(1001));
    run.port(1001).await;
    assert_eq!(names(&run), ["web.marathon:80/tcp"]);
    server.cut();
    run.until("the new name", |state| {
        names_of(state) == ["web.renamed:80/tcp"]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_dead_and_heartbeats_keep_it_alive() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    settled(&server).await;
    for _ in 0..10 {
        sleep(Duration::from_secs(10)).await;
        server.emit("\r");
        server.emit("\n");
    }
    assert_eq!(server.requests("/v2/events").len(), 1);
    sleep(Duration::from_secs(60)).await;
    assert!(server.requests("/v2/events").len() >= 2);
}

#[tokio::test(start_paused = true)]
async fn without_events_the_regular_read_sees_changes() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    server.set("/v2/events", Answer::Body(405, "text/plain", String::new()));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    server.set(APPS, apps(1001));
    run.port(1001).await;
}

#[tokio::test(start_paused = true)]
async fn another_url_is_tried_and_then_preferred() {
    let (bad, ok) = (Server::start().await, Server::start().await);
    for path in [APPS, "/v2/info", "/v2/events"] {
        bad.set(path, Answer::Body(503, "text/plain", String::new()));
    }
    ok.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&bad, &ok]));
    assert!(run.port(1000).await.fault.is_none());
    settled(&ok).await;
    assert!(
        bad.requests(APPS).is_empty(),
        "the URL that answered first is asked first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_names_every_url_that_failed() {
    let (one, two) = (Server::start().await, Server::start().await);
    one.set(APPS, Answer::Body(503, "text/plain", String::new()));
    two.set(APPS, Answer::Stall);
    let mut run = Run::start(options(&[&one, &two]));
    let fault = run.fault().await;
    assert!(
        fault.contains("503") && fault.contains("within 30 s"),
        "{fault}"
    );
    assert!(
        fault.contains(one.url.as_str()) && fault.contains(two.url.as_str()),
        "{fault}"
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_are_sent_and_never_shown() {
    let server = Server::start().await;
    let mut options = options(&[&server]);
    options.urls[0].set_username("user").expect("it has a host");
    options.urls[0]
        .set_password(Some("p%40ss"))
        .expect("it has a host");
    assert!(!format!("{options:?}").contains("ss"), "{options:?}");
    let mut run = Run::start(options);
    let fault = run.fault().await;
    assert!(
        !fault.contains("user") && !fault.contains("p%40ss") && !fault.contains("p@ss"),
        "{fault}"
    );
    // The base64 of `user:p@ss`.
    assert!(server.requests(APPS)[0].head.contains("Basic dXNlcjpwQHNz"));
}

#[tokio::test(start_paused = true)]
async fn a_redirection_is_followed_with_the_credentials_of_configured_urls_only() {
    let (standby, leader, stranger) = (
        Server::start().await,
        Server::start().await,
        Server::start().await,
    );
    for server in [&leader, &stranger] {
        server.set(APPS, apps(1000));
    }
    standby.set(
        "/v2/events",
        Answer::Redirect(format!("{}v2/events", leader.url)),
    );
    standby.set(APPS, Answer::Redirect(format!("{}v2/apps", stranger.url)));
    let mut options = options(&[&standby, &leader]);
    for url in &mut options.urls {
        url.set_username("user").expect("it has a host");
    }
    let mut run = Run::start(options);
    run.port(1000).await;
    settled(&leader).await;
    assert!(
        leader.requests("/v2/events")[0]
            .head
            .contains("authorization: Basic")
    );
    assert!(!stranger.requests(APPS)[0].head.contains("authorization"));
}

#[tokio::test(start_paused = true)]
async fn an_endless_redirection_is_given_up() {
    let server = Server::start().await;
    server.set(APPS, Answer::Redirect(format!("{}v2/apps", server.url)));
    let fault = Run::start(options(&[&server])).fault().await;
    assert!(fault.contains("redirected"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn the_source_ends_with_shutdown() {
    let server = Server::start().await;
    server.set(APPS, apps(1000));
    let mut run = Run::start(options(&[&server]));
    run.port(1000).await;
    run.shutdown.cancel();
    let ended = run.source.state.wait_for(|_| false).await;
    assert!(ended.is_err(), "the sender is gone");
}
