//! Ethernet addresses: `"02:00:00:00:00:07"`.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, read_from_text};

const MAC: &str = "a unicast Ethernet address, such as \"02:00:00:00:00:07\"";

/// The Ethernet address of one interface: unicast, and not all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Its six octets.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), MAC);
        let octet = |part: &str| match part.len() {
            2 => u8::from_str_radix(part, 16).ok(),
            _ => None,
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        let octets: Option<[u8; 6]> = octets.and_then(|octets| octets.try_into().ok());
        match octets {
            None => Err(wrong("is not an Ethernet address")),
            Some(octets) if octets[0] & 1 == 1 => Err(wrong("is a group's address")),
            Some([0, 0, 0, 0, 0, 0]) => Err(wrong("is nobody's address")),
            Some(octets) => Ok(Self(octets)),
        }
    }
}

read_from_text!(Mac, MAC);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        let mac: Mac = "02:00:0A:ff:00:07".parse().expect("valid");
        assert_eq!(mac.octets(), [2, 0, 10, 255, 0, 7]);
        assert_eq!(mac.to_string(), "02:00:0a:ff:00:07");
    }

    #[test]
    fn refuses_what_no_interface_has() {
        let problem = |text: &str| text.parse::<Mac>().expect_err(text).problem;
        assert_eq!(
            problem("01:00:5e:00:00:01"),
            "`01:00:5e:00:00:01` is a group's address"
        );
        assert_eq!(
            problem("00:00:00:00:00:00"),
            "`00:00:00:00:00:00` is nobody's address"
        );
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "2:0:0:0:0:1",
            "0g:00:00:00:00:00",
        ] {
            assert!(problem(text).ends_with("is not an Ethernet address"));
        }
    }
}
