//! Prefixes of addresses: `"10.0.0.0/8"`, `"fd00::/8"`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use dataplane::table;
use ipnet::IpNet;

use super::{ValueError, read_from_text};

const EXPECTED: &str = "a prefix or an address, such as \"10.0.0.0/8\" or \"fd00::1\"";

/// A prefix of either family, with host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(IpNet);

impl Prefix {
    /// The prefix as the forwarding table knows it.
    #[must_use]
    pub fn get(self) -> table::Prefix {
        table::Prefix {
            address: self.0.addr(),
            len: self.0.prefix_len(),
        }
    }
}

impl FromStr for Prefix {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: String| ValueError::new(format_args!("`{text}` {problem}"), EXPECTED);
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        let net: IpNet = text
            .parse()
            .map_err(|_| wrong("is not a prefix of addresses".to_owned()))?;
        let whole = net.trunc();
        if whole != net {
            return Err(wrong(format!(
                "is an address inside the prefix {whole}: write the one or the other"
            )));
        }
        Ok(Self(net))
    }
}

read_from_text!(Prefix, EXPECTED);

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_prefix_of_all_its_bits() {
        let shown = |text: &str| text.parse::<Prefix>().map(|p| p.get().to_string());
        assert_eq!(shown("10.0.0.0/8"), Ok("10.0.0.0/8".to_owned()));
        assert_eq!(shown("192.0.2.7"), Ok("192.0.2.7/32".to_owned()));
        assert_eq!(shown("fd00::1"), Ok("fd00::1/128".to_owned()));
        assert_eq!(shown("::/0"), Ok("::/0".to_owned()));
    }

    #[test]
    fn refuses_what_is_no_prefix() {
        let problem = |text: &str| text.parse::<Prefix>().expect_err(text).problem;
        assert_eq!(problem("10/8"), "`10/8` is not a prefix of addresses");
        assert_eq!(
            problem("10.0.0.0/33"),
            "`10.0.0.0/33` is not a prefix of addresses"
        );
        assert_eq!(
            problem("10.1.0.0/8"),
            "`10.1.0.0/8` is an address inside the prefix 10.0.0.0/8: write the one or the other"
        );
    }
}
