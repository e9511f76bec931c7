//! IPv4 addresses with their subnet: `"10.99.0.2/24"`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::{ValueError, read_from_text};

const INTERFACE: &str = "an IPv4 address with prefix length, such as \"10.99.0.2/24\"";

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
}
