//! IPv4 addresses with their subnet (`"10.99.0.2/24"`) and ranges of them
//! (`"11.0.0.0-11.255.255.255"`).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::{ValueError, read_from_text};

const INTERFACE: &str = "an IPv4 address with prefix length, such as \"10.99.0.2/24\"";
const RANGE: &str = "first and last IPv4 address, such as \"11.0.0.0-11.255.255.255\"";

/// An interface's own address and the subnet that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress(Ipv4Net);

impl InterfaceAddress {
    /// The interface's own address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.0.addr()
    }

    /// The length of the subnet's prefix, 1 to 32.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The subnet, with host bits zero.
    #[must_use]
    pub fn subnet(&self) -> Ipv4Net {
        self.0.trunc()
    }

    /// Whether a host can have this address in the subnet: inside it, and neither the network's
    /// nor the broadcast address, which subnets shorter than /31 reserve (RFC 3021).
    #[must_use]
    pub fn is_host(&self, address: Ipv4Addr) -> bool {
        let reserved = self.prefix_len() < 31
            && (address == self.0.network() || address == self.0.broadcast());
        self.0.contains(&address) && !reserved
    }
}

impl FromStr for InterfaceAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), INTERFACE);
        if text.parse::<Ipv4Addr>().is_ok() {
            return Err(wrong("has no prefix length"));
        }
        let net: Ipv4Net = text
            .parse()
            .map_err(|_| wrong("is not an interface address"))?;
        if net.prefix_len() == 0 {
            return Err(wrong("would be in a subnet of every address"));
        }
        Ok(Self(net))
    }
}

read_from_text!(InterfaceAddress, INTERFACE);

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All addresses from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl AddressRange {
    /// The range that DC/OS installations use for named VIPs.
    pub const DCOS: Self = Self {
        first: Ipv4Addr::new(11, 0, 0, 0),
        last: Ipv4Addr::new(11, 255, 255, 255),
    };

    /// The lowest address.
    #[must_use]
    pub const fn first(&self) -> Ipv4Addr {
        self.first
    }

    /// The highest address.
    #[must_use]
    pub const fn last(&self) -> Ipv4Addr {
        self.last
    }

    /// Whether the address is in the range.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether the range and the network share an address.
    #[must_use]
    pub fn overlaps(&self, net: Ipv4Net) -> bool {
        self.first <= net.broadcast() && net.network() <= self.last
    }
}

impl FromStr for AddressRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), RANGE);
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

read_from_text!(AddressRange, RANGE);

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_address_keeps_host_bits_and_knows_its_subnet() {
        let address: InterfaceAddress = "10.99.0.2/24".parse().expect("valid");
        assert_eq!(address.address(), Ipv4Addr::new(10, 99, 0, 2));
        assert_eq!(address.subnet().to_string(), "10.99.0.0/24");
        assert!(address.is_host(Ipv4Addr::new(10, 99, 0, 254)));
        assert!(!address.is_host(Ipv4Addr::new(10, 99, 0, 0)));
        assert!(!address.is_host(Ipv4Addr::new(10, 99, 0, 255)));
        assert!(!address.is_host(Ipv4Addr::new(10, 99, 1, 2)));
    }

    #[test]
    fn both_addresses_of_a_point_to_point_subnet_are_hosts() {
        let address: InterfaceAddress = "192.0.2.0/31".parse().expect("valid");
        assert!(address.is_host(Ipv4Addr::new(192, 0, 2, 0)));
        assert!(address.is_host(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn refuses_what_is_no_interface_address() {
        let problem = |text: &str| text.parse::<InterfaceAddress>().expect_err(text).problem;
        assert_eq!(problem("10.0.0.1"), "`10.0.0.1` has no prefix length");
        assert_eq!(
            problem("10.0.0.1/33"),
            "`10.0.0.1/33` is not an interface address"
        );
        assert_eq!(
            problem("10.0.0.1/0"),
            "`10.0.0.1/0` would be in a subnet of every address"
        );
        assert_eq!(
            problem("fd00::1/64"),
            "`fd00::1/64` is not an interface address"
        );
    }

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
}
