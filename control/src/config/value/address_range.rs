//! Ranges of addresses of one family: `"11.0.0.0-11.255.255.255"`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{ValueError, read_from_text};

const IPV4: &str = "first and last IPv4 address, such as \"11.0.0.0-11.255.255.255\"";
const IPV6: &str = "first and last IPv6 address, such as \"fd01:c::-fd01:c::ffff:ffff:ffff:ffff\"";

/// All addresses from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange<A = Ipv4Addr> {
    first: A,
    last: A,
}

impl<A: Copy + Ord> AddressRange<A> {
    /// The lowest address.
    #[must_use]
    pub const fn first(&self) -> A {
        self.first
    }

    /// The highest address.
    #[must_use]
    pub const fn last(&self) -> A {
        self.last
    }

    /// Whether the address is in the range.
    #[must_use]
    pub fn contains(&self, address: A) -> bool {
        (self.first..=self.last).contains(&address)
    }

    fn read(text: &str, expected: &'static str) -> Result<Self, ValueError>
    where
        A: FromStr,
    {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), expected);
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        });
        let (first, last) = ends.ok_or_else(|| wrong("is not a range of addresses"))?;
        if first > last {
            return Err(wrong("ends before it begins"));
        }
        Ok(Self { first, last })
    }
}

impl AddressRange {
    /// The range that DC/OS installations use for named VIPs.
    pub const DCOS: Self = Self {
        first: Ipv4Addr::new(11, 0, 0, 0),
        last: Ipv4Addr::new(11, 255, 255, 255),
    };

    /// Whether the range and the network share an address.
    #[must_use]
    pub fn overlaps(&self, net: Ipv4Net) -> bool {
        self.first <= net.broadcast() && net.network() <= self.last
    }
}

impl AddressRange<Ipv6Addr> {
    /// The range that DC/OS uses for named VIPs, `fd01:c::/64`.
    pub const DCOS6: Self = Self {
        first: Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0, 0, 0, 0),
        last: Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff),
    };

    /// Whether the range and the network share an address.
    #[must_use]
    pub fn overlaps(&self, net: Ipv6Net) -> bool {
        self.first <= net.broadcast() && net.network() <= self.last
    }
}

impl FromStr for AddressRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::read(text, IPV4)
    }
}

impl FromStr for AddressRange<Ipv6Addr> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::read(text, IPV6)
    }
}

read_from_text!(AddressRange, IPV4);
read_from_text!(AddressRange<Ipv6Addr>, IPV6);

impl<A: fmt::Display> fmt::Display for AddressRange<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_both_ends() {
        let range: AddressRange = "10.0.0.5-10.0.0.9".parse().expect("valid");
        assert!(range.contains(range.first()) && range.contains(range.last()));
        assert!(!range.contains(Ipv4Addr::new(10, 0, 0, 4)));
        assert!(!range.contains(Ipv4Addr::new(10, 0, 0, 10)));
    }

    #[test]
    fn ranges_overlap_networks_that_share_an_address() {
        let range: AddressRange = "10.0.0.5-10.0.0.9".parse().expect("valid");
        let overlaps = |net: &str| range.overlaps(net.parse().expect("valid"));
        assert!(overlaps("10.0.0.0/24") && overlaps("10.0.0.8/30") && overlaps("10.0.0.7/32"));
        assert!(!overlaps("10.0.0.0/30") && !overlaps("10.0.0.16/28"));
        let overlaps = |net: &str| AddressRange::DCOS6.overlaps(net.parse().expect("valid"));
        assert!(overlaps("fd01:c::/96") && overlaps("fd00::/8") && !overlaps("fd01:c:0:1::/64"));
    }

    #[test]
    fn refuses_what_is_no_range() {
        let problem = |text: &str| text.parse::<AddressRange>().expect_err(text).problem;
        assert_eq!(
            problem("11.0.0.0"),
            "`11.0.0.0` is not a range of addresses"
        );
        assert_eq!(
            problem("11.0.0.9-11.0.0.1"),
            "`11.0.0.9-11.0.0.1` ends before it begins"
        );
        assert_eq!(problem("a-b"), "`a-b` is not a range of addresses");
    }

    #[test]
    fn the_defaults_are_ranges_as_they_are_written() {
        let ipv4 = AddressRange::DCOS;
        assert_eq!(ipv4.to_string().parse(), Ok(ipv4));
        let ipv6 = AddressRange::DCOS6;
        assert_eq!(ipv6.to_string().parse(), Ok(ipv6));
        assert!(
            "fd01::1-11.0.0.9"
                .parse::<AddressRange<Ipv6Addr>>()
                .is_err()
        );
    }
}
