//! What a packet's flow is looked up by.

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::hash::{Seed, fold};
use crate::Protocol;

/// An IP address of one family, so that each family has a table of its own with keys no larger
/// than it needs.
pub trait Address: Copy + Eq + Debug {
    /// The address of no host, for unused places.
    const UNSPECIFIED: Self;
    /// Mixes two addresses into one word.
    fn mix(first: Self, second: Self, seed: Seed) -> u64;
}

impl Address for Ipv4Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    #[inline]
    fn mix(first: Self, second: Self, _: Seed) -> u64 {
        u64::from(first.to_bits()) << 32 | u64::from(second.to_bits())
    }
}

impl Address for Ipv6Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    #[inline]
    fn mix(first: Self, second: Self, seed: Seed) -> u64 {
        let halves = |address: Self| {
            let bits = address.to_bits();
            ((bits >> 64) as u64, bits as u64)
        };
        let ((a, b), (c, d)) = (halves(first), halves(second));
        fold(a ^ seed.0[1], b ^ seed.0[0]) ^ fold(c ^ seed.0[0], d ^ seed.0[1]).rotate_left(32)
    }
}

/// The 5-tuple of a packet as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

impl<A: Address> FlowKey<A> {
    /// The key's hash under this seed.
    #[inline]
    #[must_use]
    pub fn hash(&self, seed: Seed) -> u64 {
        let addresses = A::mix(self.source, self.destination, seed);
        let rest = u64::from(self.source_port) << 32
            | u64::from(self.destination_port) << 16
            | self.protocol as u64;
        fold(fold(addresses ^ seed.0[0], seed.0[1]) ^ rest, seed.0[0])
    }
}
