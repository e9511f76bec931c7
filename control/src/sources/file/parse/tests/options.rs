//! How a service is balanced, and every way to get that wrong.

use dataplane::clock::TickSpan;
use dataplane::table::{Mode, Refusal, Removal};

use super::*;
use crate::desired::Options;

fn options(lines: &str) -> Options {
    let read = read(&format!("[[service]]\nname = \"a\"\nport = 80\n{lines}\n"));
    assert_eq!(read.problems, []);
    let service = read.services.into_values().next().expect("a service");
    service.options
}

#[test]
fn a_service_says_nothing_by_itself() {
    assert_eq!(options(""), Options::default());
}

#[test]
fn every_option_is_read() {
    let all = options(
        r#"
        mode = "ipip"
        timeouts = { tcp_established = "1h", udp = "30s" }
        no_backend = "unreachable"
        on_removal = "keep"
        affinity = "source"
        max_segment = 1400
        new_flows_per_second = 1000
        flows = 0
        allow = ["10.0.0.0/8", "fd00::/8", "10.0.0.0/8"]
        deny = []
        "#,
    );
    assert_eq!(all.mode, Some(Mode::Ipip));
    assert_eq!(all.timeouts.tcp_established, Some(TickSpan(36_000)));
    assert_eq!(
        (all.timeouts.udp, all.timeouts.tcp_closing),
        (Some(TickSpan(300)), None)
    );
    assert_eq!(all.no_backend, Some(Refusal::Unreachable));
    assert_eq!(all.on_removal, Some(Removal::Keep));
    assert_eq!(
        (all.source_affinity, all.max_segment),
        (Some(true), Some(1400))
    );
    assert_eq!((all.new_flows_per_second, all.flows), (Some(1000), Some(0)));
    let texts = |list: Option<crate::desired::Prefixes>| -> Vec<_> {
        let list = list.expect("it is set");
        list.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(all.allow), ["10.0.0.0/8", "fd00::/8"]);
    assert!(texts(all.deny).is_empty());
}

#[test]
fn both_protocols_have_the_options() {
    let text = "[[service]]\nname = \"a\"\nport = 80\nprotocol = \"udp,tcp\"\nmode = \"dsr\"";
    let modes: Vec<_> = read(text)
        .services
        .into_values()
        .map(|s| s.options.mode)
        .collect();
    assert_eq!(modes, [Some(Mode::Dsr); 2]);
}

#[test]
fn a_wrong_value_costs_its_service_and_is_shown_with_its_line() {
    let cases = [
        (
            "mode = \"dnat\"",
            "unknown variant `dnat`, expected one of `nat`",
        ),
        ("mode = 7", "invalid type"),
        (
            "timeouts = { udp = \"30\" }",
            "`30` is not a length of time",
        ),
        ("timeouts = { udp = \"0s\" }", "`udp` is zero"),
        (
            "timeouts = { tpc_closing = \"1s\" }",
            "unknown field `tpc_closing`",
        ),
        ("timeouts = \"30s\"", "invalid type"),
        ("no_backend = \"rst\"", "`reset`, `unreachable`, `drop`"),
        ("on_removal = \"drop\"", "`reset` or `keep`"),
        ("affinity = true", "invalid type"),
        ("max_segment = 100", "out of range (256 to 9176, or 0)"),
        ("max_segment = 65536", "65536"),
        ("new_flows_per_second = -1", "-1"),
        ("flows = \"many\"", "invalid type"),
        ("allow = [\"10.0.0.1/8\"]", "inside the prefix 10.0.0.0/8"),
        ("deny = \"10.0.0.0/8\"", "invalid type"),
    ];
    for (entry, reason) in cases {
        let text = format!(
            "[[service]]\nname = \"good\"\nport = 80\n[[service]]\nname = \"a\"\nport = 80\n{entry}\n"
        );
        let read = read(&text);
        assert_eq!(lines(&read), ["good.static:80/tcp ="], "{entry}");
        let [problem] = &read.problems[..] else {
            panic!("{entry}: {:?}", read.problems);
        };
        assert_eq!(problem.subject, "a");
        assert!(
            entry.starts_with(&format!("{} =", problem.label)),
            "{problem:?}"
        );
        let said = &problem.reason;
        assert!(
            said.contains(reason) && said.contains("services.toml line 7"),
            "{entry}: {said}"
        );
        assert!(!said.contains('\n'), "{entry}: {said}");
    }
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let read = read("[[service]]\nname = \"a\"\nport = 80\nmode = \"x\"\nflows = -1\n");
    let labels: Vec<_> = read.problems.iter().map(|p| p.label.as_str()).collect();
    assert_eq!(labels, ["flows", "mode"]);
    assert!(read.problems[1].reason.contains("line 4") && read.services.is_empty());
}
