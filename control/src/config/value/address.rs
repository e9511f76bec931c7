//! Addresses with their subnet (`"10.99.0.2/24"`, `"fd00:99::2/64"`), one of each family at most.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};

use super::{ValueError, read_from_text};

const INTERFACE: &str = "an IP address with prefix length, such as \"10.99.0.2/24\"";

/// An interface's own address and the subnet that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress(IpNet);

impl InterfaceAddress {
    /// The interface's own address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.addr()
    }

    /// The length of the subnet's prefix, at least 1.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The subnet, with host bits zero.
    #[must_use]
    pub fn subnet(&self) -> IpNet {
        self.0.trunc()
    }

    /// Whether a host can have this address in the subnet: inside it, and not reserved. Reserved are, in IPv4 subnets shorter
    /// than /31, the network's and the broadcast address (RFC 3021); in IPv6 subnets shorter than /127 the
    /// routers' anycast address, which ends in zeros (RFC 4291 section 2.6.1, RFC 6164).
    #[must_use]
    pub fn is_host(&self, address: IpAddr) -> bool {
        let reserved = match self.0 {
            IpNet::V4(net) => {
                net.prefix_len() < 31
                    && (address == IpAddr::V4(net.network())
                        || address == IpAddr::V4(net.broadcast()))
            }
            IpNet::V6(net) => net.prefix_len() < 127 && address == IpAddr::V6(net.network()),
        };
        self.0.contains(&address) && !reserved
    }
}

impl FromStr for InterfaceAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: &str| ValueError::new(format_args!("`{text}` {problem}"), INTERFACE);
        if text.parse::<IpAddr>().is_ok() {
            return Err(wrong("has no prefix length"));
        }
        let net: IpNet = text
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

/// The address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAddress(IpAddr);

impl HostAddress {
    /// The address.
    #[must_use]
    pub const fn get(self) -> IpAddr {
        self.0
    }
}

impl FromStr for HostAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let address = text.parse().map(Self);
        address.map_err(|_| ValueError::new(format_args!("`{text}` is not an IP address"), HOST))
    }
}

const HOST: &str = "an IP address, such as \"10.99.0.1\" or \"fd00:99::1\"";
read_from_text!(HostAddress, HOST);

/// One value, or a list of them: `"10.99.0.2/24"` or `["10.99.0.2/24", "fd00:99::2/64"]`. That there is at most one of each family is
/// for the checks to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An interface's own addresses.
pub type Addresses = OneOrMany<InterfaceAddress>;
/// An interface's routers.
pub type Gateways = OneOrMany<HostAddress>;

impl<T> OneOrMany<T> {
    /// All of them, in the file's order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl Addresses {
    /// The IPv4 address and its prefix length.
    #[must_use]
    pub fn v4(&self) -> Option<(Ipv4Addr, u8)> {
        self.0.iter().find_map(|address| match address.0 {
            IpNet::V4(net) => Some((net.addr(), net.prefix_len())),
            IpNet::V6(_) => None,
        })
    }

    /// The IPv6 address and its prefix length.
    #[must_use]
    pub fn v6(&self) -> Option<(Ipv6Addr, u8)> {
        self.0.iter().find_map(|address| match address.0 {
            IpNet::V6(net) => Some((net.addr(), net.prefix_len())),
            IpNet::V4(_) => None,
        })
    }
}

impl Gateways {
    /// The IPv4 router.
    #[must_use]
    pub fn v4(&self) -> Option<Ipv4Addr> {
        self.0.iter().find_map(|gateway| match gateway.0 {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    /// The IPv6 router.
    #[must_use]
    pub fn v6(&self) -> Option<Ipv6Addr> {
        self.0.iter().find_map(|gateway| match gateway.0 {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address in quotes, or a list of one of each family")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                list: A,
            ) -> Result<OneOrMany<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_host(address: InterfaceAddress, host: &str) -> bool {
        address.is_host(host.parse().expect("an address"))
    }

    #[test]
    fn one_or_a_list_with_each_family() {
        #[derive(Deserialize)]
        struct Keys {
            address: Addresses,
            #[serde(default)]
            gateway: Gateways,
        }
        let read = |text: &str| toml::from_str::<Keys>(text).expect("valid");
        let one = read("address = \"10.0.0.2/8\"");
        assert_eq!(one.address.v4(), Some((Ipv4Addr::new(10, 0, 0, 2), 8)));
        assert_eq!((one.address.v6(), one.gateway.as_slice().len()), (None, 0));
        let two = read("address = [\"fd00::2/64\", \"10.0.0.2/8\"]\ngateway = \"fd00::1\"");
        assert_eq!(two.address.v4(), one.address.v4());
        assert_eq!(two.address.v6().map(|(_, length)| length), Some(64));
        assert_eq!(
            two.gateway.v6().map(|a| a.to_string()).as_deref(),
            Some("fd00::1")
        );
        assert_eq!(two.gateway.v4(), None);
    }

    #[test]
    fn an_interface_address_keeps_host_bits_and_knows_its_subnet() {
        let address: InterfaceAddress = "10.99.0.2/24".parse().expect("valid");
        assert_eq!(address.address(), IpAddr::from([10, 99, 0, 2]));
        assert_eq!(address.subnet().to_string(), "10.99.0.0/24");
        assert!(is_host(address, "10.99.0.254"));
        assert!(!is_host(address, "10.99.0.0") && !is_host(address, "10.99.0.255"));
        assert!(!is_host(address, "10.99.1.2") && !is_host(address, "fd00::1"));
        let address: InterfaceAddress = "fd00:99::2/64".parse().expect("valid");
        assert_eq!(address.subnet().to_string(), "fd00:99::/64");
        assert!(is_host(address, "fd00:99::ffff") && !is_host(address, "fd00:99::"));
        assert!(!is_host(address, "fd00:98::1"));
    }

    #[test]
    fn both_addresses_of_a_point_to_point_subnet_are_hosts() {
        let address: InterfaceAddress = "192.0.2.0/31".parse().expect("valid");
        assert!(is_host(address, "192.0.2.0") && is_host(address, "192.0.2.1"));
        let address: InterfaceAddress = "2001:db8::/127".parse().expect("valid");
        assert!(is_host(address, "2001:db8::") && is_host(address, "2001:db8::1"));
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
            problem("fd00::1/129"),
            "`fd00::1/129` is not an interface address"
        );
    }
}
