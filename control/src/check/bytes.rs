//! How the suite writes a frame: hex digits, runs, and bytes that may be anything.
//!
//! ```text
//! "0200 0000 0002"     bytes; spaces and line breaks mean nothing
//! "{61*1400}"          the byte 61 1400 times
//! "??"                 a byte that is not compared (only in expected frames)
//! ```

use std::fmt;
use std::str::FromStr;

use crate::config::value::{ValueError, read_from_text};

const EXPECTED: &str = "hex digits, runs such as \"{00*18}\" and, where expected, \"??\"";

/// Longest frame: jumbo frames and a margin to be wrong in.
const LONGEST: usize = 1 << 16;

/// A frame as the suite writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Option<u8>>);

impl Pattern {
    /// The frame's bytes; `None` if one of them is not given.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0.iter().copied().collect()
    }

    /// True if `bytes` are these, where they are given.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.len() == bytes.len() && (0..bytes.len()).all(|at| self.agrees(at, bytes))
    }

    /// True if the byte at this offset is there on both sides and the same, or on neither side.
    pub(super) fn agrees(&self, at: usize, bytes: &[u8]) -> bool {
        match (self.0.get(at), bytes.get(at)) {
            (Some(None), Some(_)) | (None, None) => true,
            (Some(Some(expected)), Some(byte)) => expected == byte,
            _ => false,
        }
    }

    /// The expected bytes, with zeros for those that are not given: for people.
    pub(super) fn readable(&self) -> Vec<u8> {
        self.0.iter().map(|byte| byte.unwrap_or(0)).collect()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Pattern {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.iter().copied().map(Some).collect())
    }
}

fn wrong(problem: impl fmt::Display) -> ValueError {
    ValueError {
        problem: problem.to_string(),
        expected: EXPECTED,
    }
}

fn byte(text: &str) -> Result<Option<u8>, ValueError> {
    match text {
        "??" => Ok(None),
        _ if text.len() == 2 => u8::from_str_radix(text, 16)
            .map(Some)
            .map_err(|_| wrong(format_args!("`{text}` is no byte"))),
        _ => Err(wrong(format_args!("`{text}` is half a byte"))),
    }
}

/// Reads what is between braces: `61*1400`.
fn run_of(text: &str) -> Result<(Option<u8>, usize), ValueError> {
    let parts = text.split_once('*');
    let (value, count) = parts.ok_or_else(|| wrong(format_args!("`{{{text}}}` has no count")))?;
    let count = count.parse().ok().filter(|&count| count <= LONGEST);
    let count = count.ok_or_else(|| wrong(format_args!("`{{{text}}}` has no usable count")))?;
    Ok((byte(value)?, count))
}

impl FromStr for Pattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.is_ascii() {
            return Err(wrong("there are characters other than ASCII"));
        }
        let compact: String = text.split_ascii_whitespace().collect();
        let (mut rest, mut pattern) = (compact.as_str(), Vec::new());
        while !rest.is_empty() {
            let (value, count);
            if let Some(run) = rest.strip_prefix('{') {
                let (inside, after) = run
                    .split_once('}')
                    .ok_or_else(|| wrong("a run is not closed"))?;
                ((value, count), rest) = (run_of(inside)?, after);
            } else {
                let (digits, after) = rest.split_at(rest.len().min(2));
                ((value, count), rest) = ((byte(digits)?, 1), after);
            }
            pattern.resize(pattern.len() + count, value);
        }
        Ok(Self(pattern))
    }
}

read_from_text!(Pattern, EXPECTED);

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn digits_runs_and_gaps() {
        assert_eq!(
            pattern("0aFF {61*3}\n 00").bytes(),
            Some(vec![10, 255, 97, 97, 97, 0])
        );
        let open = pattern("01??03");
        assert_eq!(open.bytes(), None);
        assert!(open.matches(&[1, 9, 3]) && !open.matches(&[1, 9, 4]));
        assert!(!open.matches(&[1, 9]) && !open.matches(&[1, 9, 3, 0]));
    }

    #[test]
    fn what_is_no_frame_says_why() {
        for (text, says) in [
            ("012", "half"),
            ("zz", "no byte"),
            ("{00*9", "closed"),
            ("{00}", "count"),
            ("{00*999999999}", "count"),
            ("é", "ASCII"),
        ] {
            let error = text.parse::<Pattern>().expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
