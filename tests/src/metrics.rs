//! Reading the Prometheus text format: values by name and labels. Only what Viaduct writes is
//! understood: no time stamps, no histograms' special meaning.

use std::collections::BTreeMap;

/// One line of `/metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// A whole scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    samples: Vec<Sample>,
}

impl Metrics {
    /// Reads a scrape.
    ///
    /// # Errors
    /// A line that is neither a comment nor a sample.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line| sample(line).ok_or_else(|| format!("not a sample: '{line}'"));
        Ok(Self {
            samples: lines.map(sample).collect::<Result<_, _>>()?,
        })
    }

    /// Sum of the samples of this name that have all these labels; `None` if there are none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |s: &Sample| {
            labels
                .iter()
                .all(|&(key, value)| s.labels.get(key).is_some_and(|v| v == value))
        };
        let mut found = self
            .samples
            .iter()
            .filter(|s| s.name == name && has(s))
            .peekable();
        found.peek()?;
        Some(found.map(|sample| sample.value).sum())
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    Some(Sample {
        name: name.into(),
        labels,
        value: rest.trim().parse().ok()?,
    })
}

/// Labels after the opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(key.into(), value);
        rest = after;
    }
}

/// A quoted value after its opening quote, unescaped, and what follows its closing one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "# HELP viaduct_drops_total Packets dropped.\n\
        # TYPE viaduct_drops_total counter\n\
        viaduct_drops_total{reason=\"no_service\",worker=\"0\"} 3\n\
        viaduct_drops_total{reason=\"no_service\",worker=\"1\"} 4\n\
        viaduct_drops_total{reason=\"truncated\",worker=\"0\"} 1\n\
        viaduct_flows 12\n\
        odd{text=\"a \\\"b\\\\ {c},\"} 1.5e3\n";

    #[test]
    fn values_are_summed_over_the_labels_that_are_not_asked_for() {
        let metrics = Metrics::parse(TEXT).unwrap();
        let drops = |labels: &[_]| metrics.value("viaduct_drops_total", labels);
        assert_eq!(drops(&[("reason", "no_service")]), Some(7.0));
        assert_eq!(
            drops(&[("reason", "no_service"), ("worker", "1")]),
            Some(4.0)
        );
        assert_eq!(drops(&[("reason", "nothing")]), None);
        assert_eq!(metrics.value("viaduct_flows", &[]), Some(12.0));
    }

    #[test]
    fn escapes_and_separators_inside_values_are_text() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(
            metrics.value("odd", &[("text", "a \"b\\ {c},")]),
            Some(1500.0)
        );
    }

    #[test]
    fn a_line_that_is_no_sample_is_an_error() {
        for bad in ["viaduct_flows", "x{a=\"b} 1", "x{a} 1", "x one"] {
            assert!(Metrics::parse(bad).is_err(), "{bad}");
        }
    }
}
