//! What the metrics say, and that it is valid exposition format.

use std::collections::HashSet;
use std::sync::Arc;

use prometheus::IntCounter;
use tokio::sync::watch;

use super::*;
use crate::status::{
    AddressStatus, BackendStatus, PolicyStatus, PortStatus, ProblemStatus, ServiceStatus,
    SourceStatus, Status,
};

fn status() -> Status {
    let backend = |address: &str, n: u64| BackendStatus {
        address: address.to_owned(),
        weight: 1,
        origin: "a \"task\"\\with\nodd text".to_owned(),
        flows_total: n,
        flows_active: n + 1,
        packets_total: n + 2,
        bytes_total: n + 3,
    };
    Status {
        generation: 3,
        services: vec![ServiceStatus {
            name: Some("web.marathon.l4lb.thisdcos.directory".to_owned()),
            address: "11.0.0.7".to_owned(),
            port: 80,
            protocol: "tcp".to_owned(),
            policy: PolicyStatus::default(),
            flows_total: 42,
            backends: vec![backend("10.0.0.1:8080", 10), backend("[fd00::1]:8080", 20)],
        }],
        problems: vec![ProblemStatus {
            source: "marathon".to_owned(),
            subject: "/app".to_owned(),
            port_index: Some(0),
            label: "VIP_0=web".to_owned(),
            reason: "no port".to_owned(),
        }],
        sources: vec![
            source("marathon", true, None, Some(5)),
            source("odd \"name\"\\\n", false, Some("refused".to_owned()), None),
        ],
        ports: vec![
            PortStatus {
                name: "fabric".to_owned(),
                up: Some(false),
                speed_bits: Some(10_000_000_000),
                rx_missed_total: 7,
                ..PortStatus::default()
            },
            PortStatus {
                name: "silent".to_owned(),
                ..PortStatus::default()
            },
        ],
        addresses: vec![AddressStatus {
            port: "fabric".to_owned(),
            vlan: None,
            address: "10.99.0.2".to_owned(),
            duplicate: true,
            conflicts_total: 3,
        }],
    }
}

fn source(name: &str, synced: bool, fault: Option<String>, age: Option<u64>) -> SourceStatus {
    SourceStatus {
        name: name.to_owned(),
        synced,
        reads_total: 9,
        failures_total: 2,
        last_good_seconds: age,
        fault,
    }
}

fn metrics(status: Status) -> Metrics {
    let (_sender, reader) = watch::channel(Arc::new(status));
    Metrics::new(reader, ResponseCounters::default())
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no `{line}` in:\n{text}");
}

#[test]
fn the_status_is_told_as_metrics() {
    let text = metrics(status()).render();
    let backend = r#"{vip="11.0.0.7",port="80",protocol="tcp",backend="10.0.0.1:8080"}"#;
    for line in [
        &format!(
            "viaduct_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
        "viaduct_table_generation 3",
        "viaduct_services 1",
        r#"viaduct_backends{vip="11.0.0.7",port="80",protocol="tcp"} 2"#,
        r#"viaduct_service_flows_total{vip="11.0.0.7",port="80",protocol="tcp"} 42"#,
        &format!("viaduct_backend_flows_total{backend} 10"),
        &format!("viaduct_backend_flows_active{backend} 11"),
        &format!("viaduct_backend_packets_total{backend} 12"),
        &format!("viaduct_backend_bytes_total{backend} 13"),
        r#"viaduct_source_up{source="marathon"} 1"#,
        r#"viaduct_source_up{source="odd \"name\"\\\n"} 0"#,
        r#"viaduct_source_reads_total{source="marathon"} 9"#,
        r#"viaduct_source_failures_total{source="marathon"} 2"#,
        r#"viaduct_source_last_good_age_seconds{source="marathon"} 5"#,
        r#"viaduct_label_problems{source="marathon"} 1"#,
        r#"viaduct_port_up{port="fabric"} 0"#,
        r#"viaduct_address_duplicate{port="fabric",vlan="",address="10.99.0.2"} 1"#,
        r#"viaduct_address_conflicts_total{port="fabric",vlan="",address="10.99.0.2"} 3"#,
        r#"viaduct_port_speed_bits{port="fabric"} 10000000000"#,
        r#"viaduct_port_rx_missed_total{port="fabric"} 7"#,
        r#"viaduct_port_tx_errors_total{port="silent"} 0"#,
        r#"viaduct_dns_responses_total{rcode="NXDOMAIN"} 0"#,
    ] {
        assert_line(&text, line);
    }
    assert_eq!(
        text.matches("viaduct_source_last_good_age_seconds{")
            .count(),
        1
    );
}

#[test]
fn an_empty_status_has_no_empty_families() {
    let text = metrics(Status::default()).render();
    assert_line(&text, "viaduct_table_generation 0");
    assert!(!text.contains("viaduct_backend"), "{text}");
    check_format(&text);
}

#[test]
fn others_can_register_once() {
    let metrics = metrics(status());
    let counter = IntCounter::new("viaduct_drops_total", "Dropped packets.").expect("valid");
    counter.inc_by(7);
    metrics.register(Box::new(counter.clone())).expect("new");
    metrics
        .register(Box::new(counter))
        .expect_err("registered twice");
    assert_line(&metrics.render(), "viaduct_drops_total 7");
}

#[test]
fn the_newest_status_is_told() {
    let (sender, reader) = watch::channel(Arc::new(Status::default()));
    let metrics = Metrics::new(reader, ResponseCounters::default());
    sender.send_replace(Arc::new(status()));
    assert_line(&metrics.render(), "viaduct_table_generation 3");
}

#[test]
fn the_text_is_valid_exposition_format() {
    check_format(&metrics(status()).render());
}

/// The rules of the text format: HELP and TYPE once in front of each family's samples, no
/// sample twice, counters and only they end in `_total`, values are numbers.
fn check_format(text: &str) {
    let (mut helped, mut seen) = (HashSet::new(), HashSet::new());
    let mut family = ("", "");
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a help text");
            assert!(helped.insert(name) && words.ends_with('.'), "{line}");
        } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
            family = of_type.split_once(' ').expect("a type");
            assert!(helped.contains(family.0), "{line}");
            assert_eq!(
                family.1 == "counter",
                family.0.ends_with("_total"),
                "{line}"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample");
            let name = sample.split('{').next().expect("a name");
            assert_eq!(name, family.0, "{line}");
            assert!(
                name.starts_with("viaduct_") && seen.insert(sample),
                "{line}"
            );
            value.parse::<f64>().expect("a number");
        }
    }
}
