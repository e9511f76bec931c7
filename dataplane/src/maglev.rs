//! Maglev consistent hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
//! Balancer", NSDI 2016, section 3.4), weighted.
//!
//! Format, version 2. Any two hosts that are given the same backends build the same table, in
//! whatever order they list them:
//! - Backends are sorted by their identity: address octets, then port.
//! - The table has the smallest of [`SIZES`] that is at least 50 times the number of backends with
//!   a weight, so that two backends of the same weight differ by at most 2 %. A table of one backend
//!   has [`SINGLE`].
//! - A backend's permutation takes j = 0, 1, … to slots by two rounds of
//!   `x = (x + add) * multiply mod size; x = x xor (x >> half)`, where `half` is half the bits of
//!   `size - 1`, rounded down. Round i takes `add` from the upper and `multiply`, with its last bit
//!   set, from the lower 32 bits of SipHash-2-4 over the backend's identity with the keys (0, i).
//! - Backends take turns in sorted order. In each turn a backend gains `weight / largest weight`
//!   of a slot, and takes as many free slots along its permutation as it has gained in whole.
//!
//! The table is built off the packet path; a lookup is one index.
//!
//! Version 1 had smaller tables for fewer backends (1021 slots up to 10, 8191 up to 81) and the
//! paper's permutations, arithmetic progressions modulo a prime. When a backend went, too many flows
//! of the others moved: 2.5 % on average in the smallest table; nearly all where the number of
//! backends fell to that of a smaller table; and up to 17 % (in 65,521 slots still 3 %) where two
//! progressions ran alongside each other. With 65,536 slots, 128 KiB, and permutations that have
//! nothing in common it is less than 1 %, and no service of 2 to 1310 backends changes its size.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

/// Table sizes: powers of two. Few sizes on purpose: where a service grows past one, its untracked
/// flows are spread anew.
pub const SIZES: [u32; 3] = [1 << 16, 1 << 19, 1 << 22];

/// Size of a table with one backend, which gets every flow whatever the size.
pub const SINGLE: u32 = 1 << 2;

/// Slots per backend that [`size_for`] aims for.
const SLOTS_PER_BACKEND: usize = 50;

/// Index of a backend in the list that the table was built from.
pub type BackendIndex = u16;

/// A lookup table from hash to backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    slots: Box<[BackendIndex]>,
}

/// The table size for this many backends with a weight.
#[must_use]
pub fn size_for(backends: usize) -> u32 {
    if backends <= 1 {
        return SINGLE;
    }
    let wanted = backends * SLOTS_PER_BACKEND;
    SIZES
        .into_iter()
        .find(|&size| size as usize >= wanted)
        .unwrap_or(SIZES[SIZES.len() - 1])
}

/// One round of a permutation: a bijection of the numbers below a power of two.
#[derive(Clone, Copy)]
struct Round {
    add: u32,
    multiply: u32,
}

impl Round {
    fn new(hash: u64) -> Self {
        Self {
            add: (hash >> 32) as u32,
            // Odd numbers have inverses.
            multiply: hash as u32 | 1,
        }
    }

    fn apply(self, x: u32, size: u32) -> u32 {
        let half = size.trailing_zeros() / 2;
        let x = x.wrapping_add(self.add).wrapping_mul(self.multiply) & (size - 1);
        x ^ x >> half
    }
}

/// The order in which a backend wants the slots.
#[derive(Clone, Copy)]
struct Permutation([Round; 2]);

impl Permutation {
    fn of(address: SocketAddr) -> Self {
        let identity = identity(address);
        Self([0, 1].map(|key| Round::new(hash(&identity, key))))
    }

    /// Slot number `j` of a table of this size.
    fn slot(self, j: u32, size: u32) -> u32 {
        let [first, second] = self.0;
        second.apply(first.apply(j, size), size)
    }
}

/// A backend's walk through the table.
struct Walk {
    permutation: Permutation,
    next: u32,
    weight: u32,
    credit: u64,
    backend: BackendIndex,
}

impl Walk {
    fn new(address: SocketAddr, weight: u16, backend: BackendIndex) -> Self {
        Self {
            permutation: Permutation::of(address),
            next: 0,
            weight: u32::from(weight),
            credit: 0,
            backend,
        }
    }

    /// Takes the next free slot; there must be one.
    fn take(&mut self, slots: &mut [BackendIndex], size: u32) {
        loop {
            let slot = self.permutation.slot(self.next, size) as usize;
            self.next += 1;
            if slots[slot] == FREE {
                slots[slot] = self.backend;
                return;
            }
        }
    }
}

const FREE: BackendIndex = BackendIndex::MAX;

fn identity(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(address.port().to_be_bytes());
    bytes
}

fn hash(identity: &[u8], key: u64) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0, key);
    hasher.write(identity);
    hasher.finish()
}

impl Maglev {
    /// Builds the table of these backends and weights; those with weight 0 get no slot. `None`
    /// if none has a weight. At most 65,535 backends with distinct addresses.
    #[must_use]
    pub fn build(backends: &[(SocketAddr, u16)]) -> Option<Self> {
        let weighted = backends.iter().filter(|(_, weight)| *weight > 0).count();
        let size = size_for(weighted);
        let mut walks: Vec<_> = (0..)
            .zip(backends)
            .filter(|(_, (_, weight))| *weight > 0)
            .map(|(index, &(address, weight))| Walk::new(address, weight, index))
            .collect();
        walks.sort_by_key(|walk| {
            let address = backends[usize::from(walk.backend)].0;
            (address.ip(), address.port())
        });
        let largest = walks.iter().map(|walk| walk.weight).max()?;
        Some(Self {
            slots: fill(&mut walks, largest, size),
        })
    }

    /// The backend for a flow with this hash.
    #[must_use]
    pub fn pick(&self, hash: u64) -> BackendIndex {
        self.slots[self.place(hash)]
    }

    /// The slot that a hash falls to.
    #[must_use]
    pub fn place(&self, hash: u64) -> usize {
        // Multiply-shift maps the hash evenly to the slots, without a division.
        ((u128::from(hash) * self.slots.len() as u128) >> 64) as usize
    }

    /// The slots, for comparison between hosts.
    #[must_use]
    pub fn slots(&self) -> &[BackendIndex] {
        &self.slots
    }
}

fn fill(walks: &mut [Walk], largest: u32, size: u32) -> Box<[BackendIndex]> {
    let mut slots = vec![FREE; size as usize].into_boxed_slice();
    let mut free = size;
    loop {
        for walk in &mut *walks {
            walk.credit += u64::from(walk.weight);
            while walk.credit >= u64::from(largest) {
                walk.credit -= u64::from(largest);
                walk.take(&mut slots, size);
                free -= 1;
                if free == 0 {
                    return slots;
                }
            }
        }
    }
}

/// The hash that chooses a flow's backend: SipHash-2-4 with keys (0, 2) over client address,
/// client port, VIP, VIP port and protocol number. The same on every host.
#[must_use]
pub fn flow_hash(client: SocketAddr, vip: SocketAddr, protocol: u8) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0, 2);
    for address in [client, vip] {
        match address.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write(&address.port().to_be_bytes());
    }
    hasher.write(&[protocol]);
    hasher.finish()
}

#[cfg(test)]
mod tests;
