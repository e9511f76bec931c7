//! Whether a configuration that reads well also makes sense: in itself, and on this machine.
//!
//! Every check looks at the whole tree and notes what it finds; none stops another. Errors
//! prevent a start, warnings do not.

mod addresses;
mod amounts;
mod cores;
mod policy;
mod ports;
mod services;

use miette::Severity;

use super::spans::Spans;
use super::{Config, Finding};

/// Errors and warnings, each in the file's order.
pub(super) fn check(
    config: &Config,
    spans: &Spans<'_>,
    cpus: &[usize],
) -> (Vec<Finding>, Vec<Finding>) {
    let mut notes = Notes {
        spans,
        findings: Vec::new(),
    };
    cores::check(config, cpus, &mut notes);
    amounts::check(config, &mut notes);
    ports::check(config, &mut notes);
    addresses::check(config, &mut notes);
    policy::check(config, &mut notes);
    services::check(config, &mut notes);
    notes.findings.sort_by_key(|finding| finding.span.start);
    notes
        .findings
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error)
}

/// Where checks note what they find.
struct Notes<'a> {
    spans: &'a Spans<'a>,
    findings: Vec<Finding>,
}

impl Notes<'_> {
    /// Notes an error at the value that `path` leads to.
    fn error(&mut self, path: &str, problem: String, expected: &str, hint: impl Into<String>) {
        self.note(Severity::Error, path, problem, expected, hint.into());
    }

    /// Notes a warning at the value that `path` leads to.
    fn warning(&mut self, path: &str, problem: String, expected: &str, hint: impl Into<String>) {
        self.note(Severity::Warning, path, problem, expected, hint.into());
    }

    fn note(
        &mut self,
        severity: Severity,
        path: &str,
        problem: String,
        expected: &str,
        hint: String,
    ) {
        self.findings.push(Finding {
            problem,
            expected: expected.to_owned(),
            hint,
            ..self.spans.finding(severity, path)
        });
    }
}
