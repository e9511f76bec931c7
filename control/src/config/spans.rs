//! Where in a file each key's value stands.
//!
//! The typed tree has plain values; whoever finds one wrong asks here for its place by the
//! path of keys and indexes that leads to it, such as `ports.1.gateway`.

use std::ops::Range;
use std::sync::Arc;

use miette::{NamedSource, Severity};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Finding, Source};

/// The values of one file by path.
#[derive(Debug)]
pub(super) struct Spans<'a> {
    text: Source,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Spans<'a> {
    /// The places of a file that is TOML. `root` is its parsed text.
    pub(super) fn new(text: &Source, root: Spanned<DeTable<'a>>) -> Self {
        let text = Arc::clone(text);
        Self { text, root }
    }

    /// A finding at the value that `path` leads to, or at the last value on the way to it.
    pub(super) fn finding(&self, severity: Severity, path: &str) -> Finding {
        Finding {
            text: Arc::clone(&self.text),
            span: self.span(path),
            severity,
            problem: String::new(),
            expected: String::new(),
            hint: String::new(),
        }
    }

    fn span(&self, path: &str) -> Range<usize> {
        let (first, mut rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(mut value) = self.root.get_ref().get(first) else {
            return end_of(&self.text);
        };
        while let Some((inner, further)) = inside(value, rest) {
            (value, rest) = (inner, further);
        }
        value.span()
    }
}

/// One step into a value, and the rest of the path. A key may itself have dots, as addresses do; then it is the path's last.
fn inside<'v, 'a, 'p>(
    value: &'v Spanned<DeValue<'a>>,
    path: &'p str,
) -> Option<(&'v Spanned<DeValue<'a>>, &'p str)> {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    match value.get_ref() {
        DeValue::Array(array) => Some((array.get(step.parse::<usize>().ok()?)?, rest)),
        DeValue::Table(table) => match table.get(step) {
            Some(inner) => Some((inner, rest)),
            None => Some((table.get(path)?, "")),
        },
        _ => None,
    }
}

/// The place after the last line with something on it, where a missing section can be added.
pub(super) fn end_of(text: &NamedSource<String>) -> Range<usize> {
    let end = text.inner().trim_end().len();
    end..end
}
