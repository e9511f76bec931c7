//! Every form of an entry, and every way to get one wrong.

mod options;

use super::*;

fn read(text: &str) -> Snapshot {
    snapshot(text, Path::new("services.toml")).expect("valid")
}

fn lines(snapshot: &Snapshot) -> Vec<String> {
    let line = |(key, service): (&ServiceKey, &Service)| {
        let all = service
            .backends
            .iter()
            .map(|(address, backend)| format!(" {address}*{}", backend.weight));
        format!("{key} ={}", all.collect::<String>())
    };
    snapshot.services.iter().map(line).collect()
}

fn error(text: &str) -> String {
    snapshot(text, Path::new("services.toml"))
        .expect_err("broken")
        .to_string()
}

const GOOD: &str = r#"
[[service]]
name = "web"
port = 80
backends = ["10.0.0.11:8080", { address = "10.0.0.12:8080", weight = 2 }]

[[service]]
name = "dns"
framework = "infra"
port = 53
protocol = "udp,tcp"
backends = ["[fd00::1]:5353"]

[[service]]
address = "192.0.2.10"
port = 443
"#;

#[test]
fn all_forms_of_a_service_are_read() {
    let read = read(GOOD);
    assert_eq!(read.problems, []);
    assert_eq!(
        lines(&read),
        [
            "dns.infra:53/tcp = [fd00::1]:5353*1",
            "dns.infra:53/udp = [fd00::1]:5353*1",
            "web.static:80/tcp = 10.0.0.11:8080*1 10.0.0.12:8080*2",
            "192.0.2.10:443/tcp =",
        ]
    );
    let mut origins = read
        .services
        .values()
        .flat_map(|service| &service.backends)
        .map(|(_, backend)| backend.origin.as_str());
    assert_eq!(origins.next_back(), Some("services.toml: web"));
}

#[test]
fn an_empty_file_has_no_services() {
    assert_eq!(read(""), Snapshot::default());
    assert_eq!(read("# nothing yet\n"), Snapshot::default());
}

#[test]
fn unknown_keys_are_shown_with_line_and_caret() {
    let error = error("[[service]]\nname = \"a\"\nport = 80\nbackend = []\n");
    assert!(
        error.contains("line 4") && error.contains("^^^") && error.contains("`backend`"),
        "{error}"
    );
    assert!(
        error.contains("`backends`"),
        "the right key is named: {error}"
    );
}

#[test]
fn an_unknown_key_of_a_backend_is_shown_too() {
    let text = "[[service]]\nname = \"a\"\nport = 80\nbackends = [{ address = \"10.0.0.1:80\", wieght = 1 }]\n";
    let error = error(text);
    assert!(
        error.contains("line 4") && error.contains("wieght") && error.contains('^'),
        "{error}"
    );
}

#[test]
fn values_of_the_wrong_type_and_broken_syntax_are_shown() {
    let wrong = error("[[service]]\nname = \"a\"\nport = \"80\"\n");
    assert!(wrong.contains("line 3") && wrong.contains('^'), "{wrong}");
    let backend = error("[[service]]\nname = \"a\"\nport = 80\nbackends = [7]\n");
    assert!(backend.contains("address:port"), "{backend}");
    assert!(error("[[service]\n").contains("line 1"));
    assert!(error("[[service]]\nname = \"a\"\n").contains("`port`"));
    assert!(error("[service]\nname = \"a\"\nport = 1\n").contains("line 1"));
}

/// The problem of the second of two services, of which the first is good.
fn problem(second: &str) -> Problem {
    let text = format!("[[service]]\nname = \"good\"\nport = 80\n[[service]]\n{second}\n");
    let mut read = read(&text);
    assert!(lines(&read).contains(&"good.static:80/tcp =".to_owned()));
    assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
    let problem = read.problems.remove(0);
    assert!(
        problem.reason.contains("services.toml line 4"),
        "{}",
        problem.reason
    );
    problem
}

#[test]
fn an_entry_that_makes_no_sense_is_skipped_alone() {
    let cases = [
        ("port = 80", "name", "write one of them"),
        (
            "name = \"a\"\naddress = \"10.0.0.1\"\nport = 80",
            "address",
            "leave one of them out",
        ),
        ("name = \"$$\"\nport = 80", "name", "no letter or digit"),
        (
            "name = \"a\"\nframework = \"/\"\nport = 80",
            "framework",
            "no letter or digit",
        ),
        (
            "address = \"web\"\nport = 80",
            "address",
            "not an IPv4 or IPv6 address",
        ),
        (
            "address = \"127.0.0.1\"\nport = 80",
            "address",
            "cannot be a VIP",
        ),
        (
            "address = \"::ffff:1.2.3.4\"\nport = 80",
            "address",
            "write 1.2.3.4",
        ),
        ("name = \"a\"\nport = 0", "port", "1 to 65535"),
        ("name = \"a\"\nport = 65536", "port", "1 to 65535"),
        (
            "name = \"a\"\nport = 1\nprotocol = \"sctp\"",
            "protocol",
            "\"udp,tcp\"",
        ),
        (
            "name = \"/Good\"\nport = 80\nprotocol = \"udp,tcp\"",
            "service",
            "earlier entry",
        ),
    ];
    for (entry, key, reason) in cases {
        let problem = problem(entry);
        assert_eq!(problem.label, key, "{entry}");
        assert!(
            problem.reason.contains(reason),
            "{entry}: {}",
            problem.reason
        );
    }
}

#[test]
fn a_bad_backend_costs_only_itself() {
    let cases = [
        ("\"10.0.0.1\"", "no backend"),
        ("\"host:80\"", "no backend"),
        ("\"10.0.0.1:0\"", "cannot be a backend"),
        ("\"0.0.0.0:80\"", "cannot be a backend"),
        (
            "{ address = \"10.0.0.1:80\", weight = 65536 }",
            "0 (draining) to 65535",
        ),
        (
            "{ address = \"10.0.0.1:80\", weight = -1 }",
            "0 (draining) to 65535",
        ),
        ("\"10.0.0.9:80\"", "already"),
    ];
    for (backend, reason) in cases {
        let text = format!(
            "[[service]]\nname = \"a\"\nport = 80\nbackends = [\"10.0.0.9:80\", {backend}]"
        );
        let read = read(&text);
        assert_eq!(
            lines(&read),
            ["a.static:80/tcp = 10.0.0.9:80*1"],
            "{backend}"
        );
        assert_eq!(read.problems[0].label, "backends[1]");
        assert!(
            read.problems[0].reason.contains(reason),
            "{backend}: {}",
            read.problems[0].reason
        );
    }
}

#[test]
fn a_framework_without_a_name_is_reported_and_the_service_used() {
    let read = read("[[service]]\naddress = \"192.0.2.1\"\nframework = \"x\"\nport = 80\n");
    assert_eq!(lines(&read), ["192.0.2.1:80/tcp ="]);
    assert_eq!(read.problems[0].label, "framework");
}
