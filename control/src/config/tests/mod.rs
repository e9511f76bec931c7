//! Broken files and what is said of them; what a file may leave out.

mod example;
mod meaning;
mod ports;
mod structure;

use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::*;

const CPUS: [usize; 4] = [0, 1, 2, 3];
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
        "expected one of `tap`, `af_xdp`, `af_packet`",
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
fn log_levels_get_more_talkative() {
    assert_eq!(LogLevel::Info.more(0), LogLevel::Info);
    assert_eq!(LogLevel::Info.more(1), LogLevel::Debug);
    assert_eq!(LogLevel::Debug.more(200), LogLevel::Trace);
    assert_eq!(LogLevel::Warn.to_string(), "warn");
}
