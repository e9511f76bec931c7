//! Broken files and what is said of them; the example file and whether it is complete.

use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::*;

const CPUS: [usize; 4] = [0, 1, 2, 3];
const EXAMPLE: &str = include_str!("../../../docs/viaduct.toml");
const MINIMAL: &str = r#"
[[ports]]
name = "fabric"
driver = "tap"
interface = "dtap0"
address = "10.99.0.2/24"
[nat]
addresses = ["10.99.0.3"]
[sources.file]
[dns]
listen = ["10.99.0.1:53"]
"#;

fn parse(text: &str) -> Result<Loaded, ConfigError> {
    Config::parse(text, "viaduct.toml", &CPUS)
}

/// Findings as `LINE:COLUMN PROBLEM | EXPECTED | HINT`.
fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| {
        let (problem, expected, hint) = (&f.problem, &f.expected, &f.hint);
        format!(
            "{}:{} {problem} | {expected} | {hint}",
            f.line(),
            f.column()
        )
    };
    findings.iter().map(line).collect()
}

fn errors(text: &str) -> Vec<String> {
    lines(parse(text).expect_err("a broken file").findings())
}

fn warnings(text: &str) -> Vec<String> {
    lines(&parse(text).expect("a usable file").warnings)
}

/// The minimal file with one line replaced; line numbers stay.
fn with(line: &str, instead: &str) -> String {
    assert!(MINIMAL.contains(line), "the minimal file has no {line}");
    MINIMAL.replacen(line, instead, 1)
}

/// The minimal file with lines after its last, which is number 11.
fn plus(lines: &str) -> String {
    format!("{MINIMAL}{lines}")
}

#[track_caller]
fn assert_finding(found: &[String], place: &str, parts: &[&str]) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("{place} ")),
        "not at {place}: {}",
        found[0]
    );
    for part in parts {
        assert!(found[0].contains(part), "no `{part}` in: {}", found[0]);
    }
}

#[test]
fn the_minimal_file_has_every_default() {
    let loaded = parse(MINIMAL).expect("valid");
    assert!(loaded.warnings.is_empty(), "{:?}", lines(&loaded.warnings));
    let config = loaded.config;
    assert_eq!(config.workers, Workers::default());
    assert_eq!(config.ports[0].mtu, 1500);
    assert_eq!(config.sources.names(), ["file"]);
    assert_eq!(config.vips.pool.to_string(), "11.0.0.0-11.255.255.255");
}

#[test]
fn structural_errors_say_where_what_and_how() {
    for (text, place, parts) in [
        (
            with("name = ", "nmae = "),
            "3:1",
            &["unknown field `nmae`", "did you mean `name`?"][..],
        ),
        (
            plus("[wrokers]"),
            "12:2",
            &["unknown field `wrokers`", "did you mean `workers`?"],
        ),
        (
            plus("[log]\nxyzzy = 1"),
            "13:1",
            &["unknown field `xyzzy`", "docs/viaduct.toml lists"],
        ),
        (
            with("\"tap\"", "\"tpa\""),
            "4:10",
            &["unknown variant `tpa`", "did you mean `tap`?"],
        ),
        (
            with("/24", ""),
            "6:11",
            &[
                "`10.99.0.2` has no prefix length",
                "such as \"10.99.0.2/24\"",
            ],
        ),
        (
            with("address = \"10.99.0.2/24\"", ""),
            "2:1",
            &["missing field `address`", "add address = "],
        ),
        (
            with("[nat]\naddresses = [\"10.99.0.3\"]", "\n"),
            "11:26",
            &["missing field `nat`", "add a [nat] table"],
        ),
        (
            plus("[workers]\nidle_max_sleep = \"200\""),
            "13:18",
            &["`200` is not a length of time", "\"200us\""],
        ),
        (
            plus("[workers]\nflows = \"many\""),
            "13:9",
            &["invalid type: string \"many\""],
        ),
        (
            plus("[workers]\ncores = []"),
            "13:9",
            &["the list of CPUs is empty", "such as [1]"],
        ),
        (
            plus("[memory]\nsize = \"1 MeB\""),
            "13:8",
            &["`1 MeB` is not a size", "\"512 MiB\""],
        ),
        (
            plus("[vips]\npool = \"11.0.0.0\""),
            "13:8",
            &["`11.0.0.0` is not a range of addresses"],
        ),
        (
            plus("[vips]\nzone = \"a..b\""),
            "13:8",
            &["`a..b` is not a domain name"],
        ),
        (
            plus("[dns2]\n"),
            "12:2",
            &["unknown field `dns2`", "did you mean `dns`?"],
        ),
        (
            plus("[api]\nhttp = \"localhost\""),
            "13:8",
            &["invalid socket address"],
        ),
        (
            with("name = \"fabric\"", "vlan = 4095"),
            "3:8",
            &["`4095` is not a VLAN identifier", "1 to 4094"],
        ),
        (
            with("listen = [\"10.99.0.1:53\"]", "listen = [\"10.99.0.1\"]"),
            "11:11",
            &["invalid socket address"],
        ),
        (
            with(
                "[sources.file]",
                "[sources.marathon]\nurls = [\"zk://a:2181\"]",
            ),
            "10:9",
            &["not an http or https URL"],
        ),
    ] {
        assert_finding(&errors(&text), place, parts);
    }
}

#[test]
fn all_syntax_errors_are_reported_at_once() {
    let found = errors("[workers\ncores = [1]\n[log]\nlevel = info\n");
    assert!(found.len() >= 2, "{found:#?}");
    assert!(found[0].starts_with("1:9 "), "{found:#?}");
    assert!(
        found.last().is_some_and(|last| last.starts_with("4:9 ")),
        "{found:#?}"
    );
}

#[test]
fn semantic_errors_say_where_what_and_how() {
    let tap = "name = \"fabric\"\ndriver = \"tap\"\ninterface = \"dtap0\"";
    let second = |lines: &str| plus(&format!("[[ports]]\naddress = \"10.98.0.2/24\"\n{lines}\n"));
    for (text, place, parts) in [
        (
            second("name = \"fabric\"\ndriver = \"tap\"\ninterface = \"dtap1\""),
            "14:8",
            &["another port is already called `fabric`"][..],
        ),
        (
            second("name = \"two\"\ndriver = \"tap\"\ninterface = \"dtap0\""),
            "16:13",
            &["another port already has the interface `dtap0`"],
        ),
        (
            with("interface = \"dtap0\"", ""),
            "2:1",
            &[
                "the tap port `fabric` has no interface",
                "add interface = \"dtap0\"",
            ],
        ),
        (
            with(tap, "name = \"x\"\ndriver = \"pci\"\n"),
            "2:1",
            &["the pci port `x` has no device", "0000:03:00.0"],
        ),
        (
            with(tap, "name = \"x\"\ndriver = \"vdev\"\n"),
            "2:1",
            &["the vdev port `x` has no device", "net_af_packet0"],
        ),
        (
            with("\"dtap0\"", "\"a-name-of-16-byt\""),
            "5:13",
            &["too long for a network interface", "at most 15 bytes"],
        ),
        (
            with("\"dtap0\"", "\"d/tap\""),
            "5:13",
            &["cannot be a network interface's name"],
        ),
        (
            with("name = \"fabric\"", "name = \"\""),
            "3:8",
            &["the port's name is empty"],
        ),
        (
            with("[nat]", "gateway = \"10.98.0.1\"\n[nat]"),
            "7:11",
            &["the gateway 10.98.0.1 is not a host in the port's subnet 10.99.0.0/24"],
        ),
        (
            with("[nat]", "gateway = \"10.99.0.255\"\n[nat]"),
            "7:11",
            &["is not a host in the port's subnet"],
        ),
        (
            with("[nat]", "gateway = \"10.99.0.2\"\n[nat]"),
            "7:11",
            &["is the port's own address"],
        ),
        (
            with("[nat]", "mtu = 9217\n[nat]"),
            "7:7",
            &["an MTU of 9217 is out of range", "576 to 9216"],
        ),
        (
            with("[nat]", "mtu = 575\n[nat]"),
            "7:7",
            &["an MTU of 575 is out of range"],
        ),
        (
            with("10.99.0.2/24", "10.99.0.0/24"),
            "6:11",
            &["10.99.0.0 is not a host's address in 10.99.0.0/24"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.2\""),
            "8:14",
            &["is already the address of the port `fabric`"],
        ),
        (
            with(
                "[nat]\naddresses = [\"10.99.0.3\"]",
                "gateway = \"10.99.0.1\"\n[nat]\naddresses = [\"10.99.0.1\"]",
            ),
            "9:14",
            &["is already the gateway of the port `fabric`"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.3\", \"10.99.0.3\""),
            "8:27",
            &["10.99.0.3 is listed twice"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.255\""),
            "8:14",
            &["is the network's or the broadcast address"],
        ),
        (
            with("\"10.99.0.3\"", "\"127.0.0.1\""),
            "8:14",
            &["is not one that a host can have"],
        ),
        (
            with("\"10.99.0.3\"", ""),
            "8:13",
            &["there is no source address"],
        ),
        (
            with(
                "[sources.file]",
                "ports = \"5000-5001\"\n[workers]\ncores = [1, 2, 3]\n[sources.file]",
            ),
            "9:9",
            &["2 source ports cannot be shared out among 3 workers"],
        ),
        (
            plus("[workers]\ncores = [1, 9]"),
            "13:13",
            &["this machine has no CPU 9", "its CPUs are 0, 1, 2, 3"],
        ),
        (
            plus("[control]\ncore = 4"),
            "13:8",
            &["this machine has no CPU 4"],
        ),
        (
            plus("[workers]\nflows = 0"),
            "13:9",
            &["workers.flows is zero"],
        ),
        (
            plus("[timeouts]\nudp = \"0s\""),
            "13:7",
            &["timeouts.udp is zero"],
        ),
        (
            plus("[memory]\nsize = \"16 MiB\""),
            "13:8",
            &[
                "16 MiB cannot hold 16384 packet buffers",
                "at least \"37 MiB\"",
            ],
        ),
        (
            with("[sources.file]\n", "\n"),
            "11:26",
            &["no source of services is configured"],
        ),
        (
            with("[sources.file]", "[sources]"),
            "9:1",
            &["no source of services is configured"],
        ),
        (
            with("[sources.file]", "[sources.marathon]\nurls = []"),
            "10:8",
            &["the list of Marathon URLs is empty"],
        ),
        (
            plus("[api]\nhttp = \"10.99.0.1:53\""),
            "13:8",
            &["10.99.0.1:53 is used twice"],
        ),
        (
            plus("[api]\nsocket = \"api.sock\""),
            "13:10",
            &["`api.sock` is not an absolute path"],
        ),
    ] {
        assert_finding(&errors(&text), place, parts);
    }
}

#[test]
fn addresses_in_the_vip_pool_are_errors() {
    let found = errors(&with("\"10.99.0.3\"", "\"10.99.0.3\", \"11.0.0.3\""));
    assert_finding(
        &found,
        "8:27",
        &["the source address 11.0.0.3 overlaps the VIP pool 11.0.0.0-11.255.255.255"],
    );
    let found = errors(&plus("[vips]\npool = \"10.99.0.128-10.99.1.4\""));
    assert_finding(
        &found,
        "6:11",
        &["the subnet 10.99.0.0/24 overlaps the VIP pool 10.99.0.128-10.99.1.4"],
    );
}

#[test]
fn oddities_are_warnings() {
    for (text, place, parts) in [
        (
            with("\"10.99.0.3\"", "\"192.0.2.1\""),
            "8:14",
            &["192.0.2.1 is outside every port's subnet"][..],
        ),
        (
            plus("[workers]\ncores = [2, 2]"),
            "13:13",
            &["CPU 2 shares it with another worker"],
        ),
        (
            plus("[workers]\ncores = [0]"),
            "13:10",
            &["CPU 0 shares it with the control thread"],
        ),
        (
            with("[dns]\nlisten = [\"10.99.0.1:53\"]", ""),
            "9:15",
            &["no DNS server is configured"],
        ),
        (
            with("\"10.99.0.1:53\"", "\"0.0.0.0:53\""),
            "11:11",
            &["from another address"],
        ),
    ] {
        assert_finding(&warnings(&text), place, parts);
    }
}

#[test]
fn all_semantic_errors_are_reported_at_once_in_order() {
    let text = plus("[workers]\ncores = [7, 8]\n[control]\ncore = 9\n[memory]\nmbufs = 0\n");
    let text = text.replace("\"10.99.0.3\"", "\"10.99.0.2\"");
    let places: Vec<_> = errors(&text)
        .iter()
        .map(|e| e.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(places, ["8:14", "13:10", "13:13", "15:8", "17:9"]);
}

#[test]
fn errors_show_the_source_line_with_a_caret_and_a_hint() {
    let error = parse(&with("\"tap\"", "\"tpa\"")).expect_err("broken");
    let mut shown = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .render_report(&mut shown, &error)
        .expect("renders");
    for part in [
        "viaduct.toml is broken: 1 error",
        "viaduct.toml:4:10",
        "driver = \"tpa\"",
        "^^",
        "expected one of `tap`, `vdev`, `pci`",
        "help: did you mean `tap`?",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    assert!(
        error.findings()[0]
            .one_line()
            .starts_with("viaduct.toml:4:10: unknown variant `tpa` (expected")
    );
}

#[test]
fn columns_count_characters() {
    let found = errors(&with("name = \"fabric\"", "name = \"äöü\"; x = 1"));
    assert!(found[0].starts_with("3:13 "), "{found:#?}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/viaduct.toml"), &CPUS).expect_err("missing");
    assert!(
        error
            .to_string()
            .contains("cannot read the configuration file /nonexistent/viaduct.toml")
    );
    assert!(error.findings().is_empty() && error.help().is_some());
}

#[test]
fn the_example_has_the_defaults_for_all_keys_that_have_one() {
    let example = parse(EXAMPLE).expect("the example is valid");
    assert!(
        example.warnings.is_empty(),
        "{:?}",
        lines(&example.warnings)
    );
    let example = example.config;
    let required = r#"
        ports = [{ name = "fabric", driver = "tap", interface = "dtap0", bridge = "br0", address = "10.99.0.2/24", gateway = "10.99.0.1" }]
        nat = { addresses = ["10.99.0.3"] }
        dns = { listen = ["10.99.0.1:53"] }
        sources = { marathon = { urls = ["http://10.99.0.1:8080"] }, file = {} }
    "#;
    assert_eq!(example, parse(required).expect("valid").config);
}

/// The keys that the reader knows in a table, from what it says of one that it does not know.
/// `{}` in `text` is where the table's keys go.
fn known_keys(text: &str) -> Vec<String> {
    let error = parse(&text.replace("{}", "no_such_key = 1")).expect_err("unknown key");
    let expected = &error.findings()[0].expected;
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The lines of a table of the example, up to the next table.
fn example_table(header: &str) -> &'static str {
    let (_, rest) = EXAMPLE.split_once(&format!("\n{header}\n")).expect(header);
    rest.split("\n[").next().unwrap_or(rest)
}

#[test]
fn the_example_mentions_every_key() {
    let sections = known_keys("{}");
    assert_eq!(sections.len(), 11, "{sections:?}");
    for section in sections {
        let headers = match section.as_str() {
            "ports" => vec!["[[ports]]".to_owned()],
            "sources" => known_keys("[sources]\n{}")
                .iter()
                .map(|s| format!("[sources.{s}]"))
                .collect(),
            name => vec![format!("[{name}]")],
        };
        for header in headers {
            let table = example_table(&header);
            for key in known_keys(&format!("{header}\n{{}}")) {
                let mentioned = |line: &str| {
                    line.trim_start_matches("# ")
                        .starts_with(&format!("{key} = "))
                };
                assert!(
                    table.lines().any(mentioned),
                    "docs/viaduct.toml has no {key} in {header}"
                );
            }
        }
    }
}

#[test]
fn log_levels_get_more_talkative() {
    assert_eq!(LogLevel::Info.more(0), LogLevel::Info);
    assert_eq!(LogLevel::Info.more(1), LogLevel::Debug);
    assert_eq!(LogLevel::Debug.more(200), LogLevel::Trace);
    assert_eq!(LogLevel::Warn.to_string(), "warn");
}
