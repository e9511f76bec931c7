//! The VIPs that an app declares, by labels on its ports and by `VIP_PORT<n>` labels on itself.
//! A label that declares none is a [`Problem`], and only that label is skipped.

use std::collections::BTreeSet;
use std::fmt::Display;

use dataplane::Protocol;

use super::NAME;
use super::model::App;
use super::shape::{self, Endpoint, Target};
use crate::desired::{Problem, ServiceKey};
use crate::vip::label::{self, VipLabel};

/// What was skipped, each problem once.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeSet<Problem>);

impl Problems {
    /// Adds a problem of `subject`.
    pub(super) fn add(
        &mut self,
        subject: &str,
        port_index: Option<usize>,
        label: &str,
        reason: impl Display,
    ) {
        self.0.insert(Problem {
            source: NAME.to_owned(),
            subject: subject.to_owned(),
            port_index,
            label: label.to_owned(),
            reason: reason.to_string(),
        });
    }

    /// The problems, sorted.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        self.0.into_iter().collect()
    }
}

/// A VIP that an app declares.
#[derive(Debug)]
pub(super) struct Declaration {
    /// One service for each protocol.
    pub(super) services: Vec<ServiceKey>,
    /// Where the app's tasks serve them.
    pub(super) target: Target,
    /// Index of the port that it is for.
    pub(super) port_index: usize,
    /// The label as written.
    pub(super) label: String,
}

/// The VIPs that `app` declares; names belong to `framework`.
pub(super) fn declarations(
    app: &App,
    framework: &str,
    problems: &mut Problems,
) -> Vec<Declaration> {
    let mut found = Vec::new();
    for endpoint in shape::endpoints(app) {
        port_declarations(app, &endpoint, framework, problems, &mut found);
    }
    for (key, value) in &app.labels {
        found.extend(task_declaration(app, key, value, framework, problems));
    }
    found
}

fn port_declarations(
    app: &App,
    endpoint: &Endpoint<'_>,
    framework: &str,
    problems: &mut Problems,
    found: &mut Vec<Declaration>,
) {
    for (key, value) in endpoint
        .labels
        .iter()
        .filter(|(key, _)| label::is_vip_key(key))
    {
        let text = format!("{key}={value}");
        let mut report =
            |reason: &dyn Display| problems.add(&app.id, Some(endpoint.index), &text, reason);
        let parsed = match label::parse(value, framework) {
            Ok(parsed) => parsed,
            Err(error) => {
                report(&error);
                continue;
            }
        };
        if let Some(warning) = parsed.warning {
            report(&warning);
        }
        let services = protocols(endpoint.protocol, &mut report)
            .map(|protocol| service(&parsed, protocol))
            .collect();
        let (target, port_index) = (endpoint.target, endpoint.index);
        found.push(Declaration {
            services,
            target,
            port_index,
            label: text,
        });
    }
}

fn task_declaration(
    app: &App,
    key: &str,
    value: &str,
    framework: &str,
    problems: &mut Problems,
) -> Option<Declaration> {
    let text = format!("{key}={value}");
    let declared = match label::parse_task_label(key, value, framework)? {
        Ok(declared) => declared,
        Err(error) => {
            problems.add(&app.id, None, &text, error);
            return None;
        }
    };
    if let Some(warning) = declared.label.warning {
        problems.add(&app.id, Some(declared.port_index), &text, warning);
    }
    Some(Declaration {
        services: vec![service(&declared.label, declared.protocol)],
        target: Target::Host(declared.port_index),
        port_index: declared.port_index,
        label: text,
    })
}

fn service(label: &VipLabel, protocol: Protocol) -> ServiceKey {
    ServiceKey {
        vip: label.vip.clone(),
        port: label.port,
        protocol,
    }
}

/// The protocols in `tcp`, `udp`, `udp,tcp` or `tcp,udp`; any other is reported and left out.
fn protocols(text: &str, report: &mut dyn FnMut(&dyn Display)) -> impl Iterator<Item = Protocol> {
    let mut known = BTreeSet::new();
    for part in text.split(',') {
        match label::parse_protocol(part) {
            Some(protocol) => _ = known.insert(protocol),
            None => report(&format_args!(
                "the port's protocol {part:?} cannot be balanced; use \"tcp\", \"udp\" or \"udp,tcp\""
            )),
        }
    }
    known.into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model;
    use super::*;

    fn read(app: &Value) -> (Vec<String>, Vec<Problem>) {
        let mut problems = Problems::default();
        let app = model::app(app).expect("an object");
        let found = declarations(&app, "marathon", &mut problems);
        let services = found
            .iter()
            .flat_map(|d| &d.services)
            .map(ServiceKey::to_string)
            .collect();
        (services, problems.into_sorted())
    }

    #[test]
    fn a_port_can_have_several_vips_and_protocols() {
        for protocol in ["udp,tcp", "tcp,udp", "TCP, udp"] {
            let port = json!({"protocol": protocol, "labels": {"VIP_0": "/a:80", "vip_x": "1.2.3.4:81", "OTHER": "no"}});
            let (services, problems) = read(&json!({"id": "/a", "portDefinitions": [port]}));
            assert_eq!(
                services,
                [
                    "a.marathon:80/tcp",
                    "a.marathon:80/udp",
                    "1.2.3.4:81/tcp",
                    "1.2.3.4:81/udp"
                ]
            );
            assert_eq!(problems, []);
        }
    }

    #[test]
    fn only_the_label_that_is_wrong_is_skipped() {
        let labels = json!({"VIP_0": "invalid-port::1234", "VIP_1": "/a:80", "VIP_2": 80});
        let (services, problems) =
            read(&json!({"id": "/a", "portDefinitions": [{}, {"labels": labels}]}));
        assert_eq!(services, ["a.marathon:80/tcp"]);
        assert_eq!(problems.len(), 2);
        let first = &problems[0];
        assert_eq!(
            (
                first.source.as_str(),
                first.subject.as_str(),
                first.port_index
            ),
            ("marathon", "/a", Some(1))
        );
        assert_eq!(first.label, "VIP_0=invalid-port::1234");
        assert!(first.reason.contains("one colon"), "{}", first.reason);
        assert!(
            problems[1].reason.contains("port is missing"),
            "{}",
            problems[1].reason
        );
    }

    #[test]
    fn an_unknown_protocol_is_reported_and_the_known_one_used() {
        let port = json!({"protocol": "tcp,http", "labels": {"VIP_0": "/a:80"}});
        let (services, problems) = read(&json!({"id": "/a", "portDefinitions": [port]}));
        assert_eq!(services, ["a.marathon:80/tcp"]);
        assert!(
            problems[0].reason.contains("\"http\""),
            "{}",
            problems[0].reason
        );
    }

    #[test]
    fn app_labels_declare_vips_for_host_ports() {
        let labels =
            json!({"vip_PORT1": "udp://foo:53", "VIP_PORTx": "tcp://a:1", "VIP_0": "/not-here:80"});
        let (services, problems) = read(&json!({"id": "/a", "labels": labels}));
        assert_eq!(services, ["foo.marathon:53/udp"]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].label, "VIP_PORTx=tcp://a:1");
    }

    #[test]
    fn a_warning_is_reported_and_the_label_used() {
        let port = json!({"labels": {"VIP_0": "/1.2.3.4:80"}});
        let (services, problems) = read(&json!({"id": "/a", "portDefinitions": [port]}));
        assert_eq!(services, ["1.2.3.4:80/tcp"]);
        assert!(problems[0].reason.contains("without the leading slash"));
    }
}
