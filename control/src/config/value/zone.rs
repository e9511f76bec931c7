//! The DNS zone of named VIPs: `"l4lb.thisdcos.directory"`.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, read_from_text};

const EXPECTED: &str = "a domain name, such as \"l4lb.thisdcos.directory\"";
/// Longest zone that leaves a name of two full labels room in 253 characters.
const LONGEST: usize = 253 - 2 * 64;

/// A domain name in lower case, without trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    /// The zone that DC/OS clusters use.
    #[must_use]
    pub fn dcos() -> Self {
        Self("l4lb.thisdcos.directory".to_owned())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters, digits and inner hyphens, up to 63 (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl FromStr for Zone {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), EXPECTED);
        let name = text.strip_suffix('.').unwrap_or(text);
        if !name.split('.').all(is_label) {
            return Err(wrong("is not a domain name"));
        }
        if name.len() > LONGEST {
            return Err(wrong("is too long to hold names"));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

read_from_text!(Zone, EXPECTED);

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_in_one_spelling() {
        let zone: Zone = "L4LB.example.".parse().expect("valid");
        assert_eq!(zone.as_str(), "l4lb.example");
    }

    #[test]
    fn refuses_what_is_no_domain_name() {
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "_x.y",
            &"a".repeat(64),
        ] {
            text.parse::<Zone>().expect_err(text);
        }
        let long = ["abcdefgh"; 16].join(".");
        assert!(
            long.parse::<Zone>()
                .expect_err("long")
                .problem
                .contains("too long")
        );
    }
}
