//! Lengths of time: `"200us"`, `"2h15m"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{ValueError, read_from_text};

const EXPECTED: &str = "a length of time with unit, such as \"200us\", \"30s\" or \"2h15m\"";

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// The period of this duration.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// Its duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

impl FromStr for Period {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            ValueError::new(format_args!("`{text}` is not a length of time"), EXPECTED)
        })
    }
}

read_from_text!(Period, EXPECTED);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        let seconds = |text: &str| text.parse::<Period>().map(|p| p.get().as_secs_f64());
        assert_eq!(seconds("2h15m"), Ok(8100.0));
        assert_eq!(seconds("200us"), Ok(0.0002));
        assert_eq!(seconds("1s"), Ok(1.0));
    }

    #[test]
    fn refuses_numbers_without_unit_and_nonsense() {
        for text in ["", "30", "30 parsecs", "-1s", "soon"] {
            let error = text.parse::<Period>().expect_err(text);
            assert!(
                error
                    .to_string()
                    .contains("is not a length of time, expected")
            );
        }
    }
}
