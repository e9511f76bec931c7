//! What differs between IPv4 and IPv6, so that everything else is written once.
//!
//! The packet path is generic over [`Family`] and monomorphised: each family has flow tables with
//! keys no larger than it needs.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::flow::key::Address;
use crate::network::{Attachment, Interface, Pools, SnatAddresses};

/// An address of one family, and where things of that family are.
pub trait Family: Address + Into<IpAddr> + Ord + Hash {
    /// Bits of an address.
    const BITS: u8;

    /// The address, if it is of this family.
    fn from_ip(address: IpAddr) -> Option<Self>;
    /// Number of leading bits that two addresses share.
    fn common_prefix(self, other: Self) -> u8;
    /// An interface's place in this family's network.
    fn attachment(interface: &Interface) -> Option<&Attachment<Self>>;
    /// True if the interface has this address.
    fn is_own(interface: &Interface, address: Self) -> bool;
    /// Source addresses of this family.
    fn snat(addresses: &SnatAddresses) -> &[Self];
    /// Where named VIPs of this family have their addresses.
    fn pool(pools: &Pools) -> Option<&RangeInclusive<Self>>;
}

impl Family for Ipv4Addr {
    const BITS: u8 = 32;

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn common_prefix(self, other: Self) -> u8 {
        (self.to_bits() ^ other.to_bits()).leading_zeros() as u8
    }

    fn attachment(interface: &Interface) -> Option<&Attachment<Self>> {
        interface.ipv4.as_ref()
    }

    fn is_own(interface: &Interface, address: Self) -> bool {
        interface.ipv4.is_some_and(|own| own.address == address)
    }

    fn snat(addresses: &SnatAddresses) -> &[Self] {
        &addresses.ipv4
    }

    fn pool(pools: &Pools) -> Option<&RangeInclusive<Self>> {
        pools.ipv4.as_ref()
    }
}

impl Family for Ipv6Addr {
    const BITS: u8 = 128;

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }

    fn common_prefix(self, other: Self) -> u8 {
        (self.to_bits() ^ other.to_bits()).leading_zeros() as u8
    }

    fn attachment(interface: &Interface) -> Option<&Attachment<Self>> {
        interface.ipv6.as_ref()
    }

    fn is_own(interface: &Interface, address: Self) -> bool {
        let own = interface.ipv6;
        own.is_some_and(|own| own.address == address || interface.link_local() == address)
    }

    fn snat(addresses: &SnatAddresses) -> &[Self] {
        &addresses.ipv6
    }

    fn pool(pools: &Pools) -> Option<&RangeInclusive<Self>> {
        pools.ipv6.as_ref()
    }
}
