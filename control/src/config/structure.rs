//! From text to the typed tree: TOML's syntax, known keys, kinds of values.
//!
//! All mistakes in syntax are reported at once. Of the mistakes in keys and kinds only the
//! first is, because the rest of the tree cannot be read past it.

use std::ops::Range;
use std::sync::Arc;

use miette::{NamedSource, Severity};
use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::error::{Finding, Source};
use super::spans::{Spans, end_of};
use super::{Config, ConfigError};

/// Reads the typed tree and the places of its values.
pub(super) fn read<'a>(text: &'a str, name: &str) -> Result<(Config, Spans<'a>), ConfigError> {
    let source: Source = Arc::new(NamedSource::new(name, text.to_owned()));
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(broken(&source, &errors));
    }
    match Config::deserialize(Deserializer::from(root.clone())) {
        Ok(config) => Ok((config, Spans::new(&source, root))),
        Err(error) => Err(broken(&source, &[error])),
    }
}

fn broken(text: &Source, errors: &[toml::de::Error]) -> ConfigError {
    ConfigError::Broken {
        name: text.name().to_owned(),
        findings: errors.iter().map(|error| finding(text, error)).collect(),
    }
}

/// What TOML's reader says, as problem, expectation and hint. It says all three in one
/// sentence, `PROBLEM, expected WHAT`.
fn finding(text: &Source, error: &toml::de::Error) -> Finding {
    let message = error.message();
    let (problem, expected) = match message.split_once(", expected ") {
        Some((problem, expected)) => (problem, format!("expected {expected}")),
        // Said of every value but a string where one of several words belongs.
        None if message == "wanted string or table" => {
            ("invalid type", "expected a word in quotes".to_owned())
        }
        None => (message, "here".to_owned()),
    };
    Finding {
        text: Arc::clone(text),
        span: place(text, problem, error.span()),
        severity: Severity::Error,
        problem: problem.to_owned(),
        hint: hint(problem, &expected),
        expected,
    }
}

/// A key that the file as a whole lacks belongs at its end; all else has a place.
fn place(text: &Source, problem: &str, span: Option<Range<usize>>) -> Range<usize> {
    let of_the_file = quoted(problem, "missing field ") == Some("ports");
    match span {
        Some(span) if !of_the_file => span,
        _ => end_of(text),
    }
}

fn hint(problem: &str, expected: &str) -> String {
    if let Some(key) = quoted(problem, "unknown field ") {
        return near(key, expected)
            .unwrap_or_else(|| "remove it; docs/viaduct.toml lists every key".to_owned());
    }
    if let Some(value) = quoted(problem, "unknown variant ") {
        let known = expected.strip_prefix("expected ").unwrap_or(expected);
        return near(value, expected).unwrap_or_else(|| format!("write {known}"));
    }
    if let Some(key) = quoted(problem, "missing field ") {
        return format!("add {}", example(key));
    }
    if problem.starts_with("invalid type") || problem.contains('`') {
        return "correct the value; docs/viaduct.toml describes every key".to_owned();
    }
    "correct the line; strings are in quotes, tables in [brackets]".to_owned()
}

/// The name in backquotes after `prefix`.
fn quoted<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix)?
        .strip_prefix('`')?
        .split('`')
        .next()
}

/// A suggestion of the known name that is nearest to a wrong one, if one is near.
fn near(wrong: &str, expected: &str) -> Option<String> {
    let known = expected.split('`').skip(1).step_by(2);
    let distance = |name: &str| strsim::damerau_levenshtein(wrong, name);
    let nearest = known.min_by_key(|name| distance(name))?;
    let close = distance(nearest) <= nearest.len().div_ceil(3);
    close.then(|| format!("did you mean `{nearest}`?"))
}

/// How a key that must be there is written.
fn example(key: &str) -> String {
    let line = match key {
        "ports" => "a [[ports]] table, with name, driver and address",
        "name" => "name = \"fabric\"",
        "driver" => "driver = \"tap\" (or \"af_xdp\", \"pci\", …)",
        "id" => "id = 100",
        "interface" => "interface = \"vdhost0\"",
        "address" => "address = \"10.99.0.2/24\"",
        "urls" => "urls = [\"http://10.99.0.1:8080\"]",
        key => return format!("`{key}`"),
    };
    line.to_owned()
}
