//! What is wrong with a configuration file, and where.
//!
//! A [`Finding`] stands at a place in the text; a [`ConfigError`] is all the mistakes of one
//! file. Both are [`Diagnostic`]s, so that a terminal shows them with source line and caret;
//! [`Finding::one_line`] is for logs.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

/// The text of a configuration file, with its name.
pub(super) type Source = Arc<NamedSource<String>>;

/// One mistake or oddity, at its place in the file. It displays as the bare problem.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Finding {
    pub(super) text: Source,
    pub(super) span: Range<usize>,
    pub(super) severity: Severity,
    /// What is wrong.
    pub problem: String,
    /// What could stand there; the words beside the caret.
    pub expected: String,
    /// What to do.
    pub hint: String,
}

impl Finding {
    /// Line of its place, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Column of its place in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        let line = self.before().rsplit('\n').next().unwrap_or_default();
        line.chars().count() + 1
    }

    /// `FILE:LINE:COLUMN: PROBLEM (EXPECTED; HINT)`.
    #[must_use]
    pub fn one_line(&self) -> String {
        let (name, line, column) = (self.text.name(), self.line(), self.column());
        let (problem, expected, hint) = (&self.problem, &self.expected, &self.hint);
        format!("{name}:{line}:{column}: {problem} ({expected}; {hint})")
    }

    fn before(&self) -> &str {
        &self.text.inner()[..self.span.start]
    }
}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.hint))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some(self.expected.clone()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was read, and is wrong.
    #[error("{name} is broken: {}", count(findings.len()))]
    Broken {
        /// The file.
        name: String,
        /// All that was found, at least one, in the file's order.
        findings: Vec<Finding>,
    },
}

fn count(errors: usize) -> String {
    match errors {
        1 => "1 error".to_owned(),
        n => format!("{n} errors"),
    }
}

impl ConfigError {
    /// What is wrong in the file; empty if it could not be read.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Broken { findings, .. } => findings,
        }
    }
}

impl Diagnostic for ConfigError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Unreadable { .. } => Some(Box::new(
                "check the path and its permissions; `--config FILE` names another file",
            )),
            Self::Broken { .. } => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Broken { findings, .. } => Some(Box::new(
                findings.iter().map(|finding| finding as &dyn Diagnostic),
            )),
        }
    }
}
