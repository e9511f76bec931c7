//! The addresses of the fabric, of its neighbors and of the VIPs, in both families. A host has
//! the same number in all of its addresses: agent 1 is 10.99.0.11 and fd00:99::11.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Length of an address in bits, which is the prefix length of a host route.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Prefix length of the subnets.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One Ethernet segment's /24 and /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    v4: [u8; 3],
    v6: [u16; 4],
}

impl Subnet {
    /// The fabric: clients, agents, Viaduct's first port.
    pub const FABRIC: Self = Self::new([10, 99, 0], [0xfd00, 0x99, 0, 0]);
    /// The second bridge: Viaduct's second port.
    pub const SECOND: Self = Self::new([10, 99, 1], [0xfd00, 0x99, 1, 0]);
    /// Behind two routers.
    pub const FAR: Self = Self::new([10, 98, 0], [0xfd00, 0x98, 0, 0]);
    /// Between the two routers.
    pub const TRANSIT: Self = Self::new([10, 97, 0], [0xfd00, 0x97, 0, 0]);
    /// Addresses of services; on no segment.
    pub const VIPS: Self = Self::new([192, 0, 2], [0x2001, 0xdb8, 0, 0]);

    const fn new(v4: [u8; 3], v6: [u16; 4]) -> Self {
        Self { v4, v6 }
    }

    /// The IPv4 address of this number.
    #[must_use]
    pub const fn v4(self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.v4;
        Ipv4Addr::new(a, b, c, number)
    }

    /// The IPv6 address that shows this number's decimal digits.
    #[must_use]
    pub const fn v6(self, number: u8) -> Ipv6Addr {
        let [a, b, c, d] = self.v6;
        let (hundreds, tens, ones) = (number / 100, number / 10 % 10, number % 10);
        let digits = (hundreds as u16) << 8 | (tens as u16) << 4 | ones as u16;
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, digits)
    }

    /// The address of this number in a family.
    #[must_use]
    pub const fn at(self, family: Family, number: u8) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4(number)),
            Family::V6 => IpAddr::V6(self.v6(number)),
        }
    }

    /// The subnet in the words of `ip route`.
    #[must_use]
    pub fn cidr(self, family: Family) -> String {
        format!("{}/{}", self.at(family, 0), family.prefix())
    }

    /// An address with the subnet's prefix length, in the words of `ip address`.
    #[must_use]
    pub fn interface(self, family: Family, number: u8) -> String {
        format!("{}/{}", self.at(family, number), family.prefix())
    }
}

/// Number of the address that services have in most scenarios.
pub const VIP: u8 = 10;

/// The address that services have in most scenarios.
#[must_use]
pub const fn vip(family: Family) -> IpAddr {
    Subnet::VIPS.at(family, VIP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_the_same_in_both_families() {
        assert_eq!(
            Subnet::FABRIC.at(Family::V4, 101).to_string(),
            "10.99.0.101"
        );
        assert_eq!(
            Subnet::FABRIC.at(Family::V6, 101).to_string(),
            "fd00:99::101"
        );
        assert_eq!(vip(Family::V6).to_string(), "2001:db8::10");
        assert_eq!(Subnet::SECOND.cidr(Family::V6), "fd00:99:1::/64");
        assert_eq!(Subnet::FAR.interface(Family::V4, 1), "10.98.0.1/24");
    }
}
