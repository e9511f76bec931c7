//! What a packet's flow is looked up by.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::hash::{Seed, fold};
use crate::Protocol;
use crate::wire::checksum::Delta;

/// An IP address of one family, so that each family has a table of its own with keys no larger
/// than it needs.
pub trait Address: Copy + Eq + Hash + Debug {
    /// The address of no host, for unused places.
    const UNSPECIFIED: Self;
    /// The address as packets carry it.
    type Bytes: AsRef<[u8]> + Copy;
    /// The bytes in network order: 4 or 16.
    fn bytes(self) -> Self::Bytes;
    /// Mixes two addresses into one word. Whoever does not know the seed cannot choose addresses
    /// whose words are equal.
    fn mix(first: Self, second: Self, seed: Seed) -> u64;

    /// The change to a checksum that covers this address, if `other` takes its place.
    #[must_use]
    fn change_to(self, other: Self) -> Delta {
        Delta::of(self.bytes().as_ref(), other.bytes().as_ref())
    }
}

impl Address for Ipv4Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    type Bytes = [u8; 4];

    #[inline]
    fn bytes(self) -> [u8; 4] {
        self.octets()
    }

    /// Both addresses fit: no two pairs share a word.
    #[inline]
    fn mix(first: Self, second: Self, _: Seed) -> u64 {
        u64::from(first.to_bits()) << 32 | u64::from(second.to_bits())
    }
}

impl Address for Ipv6Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    type Bytes = [u8; 16];

    #[inline]
    fn bytes(self) -> [u8; 16] {
        self.octets()
    }

    /// One multiplication for each address, the second of what the first gave: the order counts,
    /// and halves that are swapped or repeated do not cancel out.
    #[inline]
    fn mix(first: Self, second: Self, seed: Seed) -> u64 {
        let halves = |address: Self| {
            let bits = address.to_bits();
            ((bits >> 64) as u64, bits as u64)
        };
        let [(a, b), (c, d)] = [halves(first), halves(second)];
        let first = fold(a ^ seed.0[0], b ^ seed.0[1]);
        fold(c ^ seed.0[1] ^ first, d ^ seed.0[0].rotate_left(32))
    }
}

/// One end of a flow as packets carry it: address and port.
pub type Endpoint<A> = (A, u16);

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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(source: u128, destination: u128, source_port: u16) -> FlowKey<Ipv6Addr> {
        FlowKey {
            source: Ipv6Addr::from_bits(source),
            destination: Ipv6Addr::from_bits(destination),
            source_port,
            destination_port: 443,
            protocol: Protocol::Tcp,
        }
    }

    /// Keys that differ in one bit of one address, or in the order of addresses or of their halves.
    fn similar_keys() -> Vec<FlowKey<Ipv6Addr>> {
        let (near, far) = (0x2001_0db8_u128 << 96 | 1, 0x2001_0db8_u128 << 96 | 7 << 64);
        let bits = (0..128).map(|bit| 1_u128 << bit);
        let one_bit = bits.flat_map(|bit| [key(near ^ bit, far, 9), key(near, far ^ bit, 9)]);
        let swapped = |address: u128| address.rotate_left(64);
        let orders = [
            key(near, far, 9),
            key(far, near, 9),
            key(swapped(near), swapped(far), 9),
            key(near, swapped(near), 9),
            key(swapped(near), near, 9),
            key(near, near, 9),
            key(far, far, 9),
        ];
        one_bit.chain(orders).collect()
    }

    #[test]
    fn similar_ipv6_keys_hash_apart() {
        let seed = Seed::random();
        let keys = similar_keys();
        let hashes: HashSet<u64> = keys.iter().map(|key| key.hash(seed)).collect();
        assert_eq!(hashes.len(), keys.len());
    }

    /// The index takes the low bits for a bucket, bits 32 and up for the other, and the top 16 for
    /// the tag. Neighboring clients should fill each as a random function would.
    #[test]
    fn neighboring_ipv6_clients_spread_over_every_part_of_the_hash() {
        let seed = Seed::random();
        let clients = (0..1 << 16).map(|n| key(0x2001_0db8_u128 << 96 | n << 64, 1, 5000));
        let hashes: Vec<u64> = clients.map(|key| key.hash(seed)).collect();
        for shift in [0, 32, 48] {
            let values: HashSet<u16> = hashes.iter().map(|hash| (hash >> shift) as u16).collect();
            // A random function of 65,536 arguments takes 63 % of 65,536 values.
            let share = values.len() as f64 / 65_536.0;
            assert!((0.61..0.65).contains(&share), "bits {shift}: {share}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let key = key(1, 2, 3);
        assert_ne!(key.hash(Seed::random()), key.hash(Seed::random()));
    }
}
