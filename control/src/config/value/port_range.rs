//! Ranges of transport ports: `"1024-65535"`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{ValueError, read_from_text};

const EXPECTED: &str = "first and last port, 1 to 65535, such as \"1024-65535\"";

/// All ports from the first to the last, both included; never port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The lowest port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Number of ports, at least 1.
    #[must_use]
    pub const fn count(self) -> usize {
        (self.last - self.first) as usize + 1
    }

    /// The ports in order.
    #[must_use]
    pub const fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

/// Everything but the system ports (RFC 6335).
impl Default for PortRange {
    fn default() -> Self {
        Self {
            first: 1024,
            last: u16::MAX,
        }
    }
}

impl FromStr for PortRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), EXPECTED);
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        });
        match ends.ok_or_else(|| wrong("is not a range of ports"))? {
            (0, _) => Err(wrong("includes port 0, which no packet can have")),
            (first, last) if first > last => Err(wrong("ends before it begins")),
            (first, last) => Ok(Self { first, last }),
        }
    }
}

read_from_text!(PortRange, EXPECTED);

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_both_ends() {
        let range: PortRange = "1024-65535".parse().expect("valid");
        assert_eq!(range, PortRange::default());
        assert_eq!(range.count(), 64_512);
        assert_eq!(range.ports().count(), range.count());
    }

    #[test]
    fn refuses_what_is_no_range() {
        let problem = |text: &str| text.parse::<PortRange>().expect_err(text).problem;
        assert_eq!(problem("80"), "`80` is not a range of ports");
        assert_eq!(
            problem("0-80"),
            "`0-80` includes port 0, which no packet can have"
        );
        assert_eq!(problem("90-80"), "`90-80` ends before it begins");
        assert_eq!(problem("1-65536"), "`1-65536` is not a range of ports");
    }
}
