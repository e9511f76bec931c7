//! Maglev consistent hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
//! Balancer", NSDI 2016, section 3.4), weighted.
//!
//! Format, version 1. Any two hosts that are given the same backends build the same table, in
//! whatever order they list them:
//! - Backends are sorted by their identity: address octets, then port.
//! - The table has the smallest size of [`SIZES`] that is at least 100 times the number of
//!   backends with a weight, so that two backends of the same weight differ by at most 1 %.
//! - A backend's permutation starts at `offset = h0 mod size` and steps by
//!   `skip = h1 mod (size - 1) + 1`, where h0 and h1 are SipHash-2-4 over its identity with the
//!   keys (0, 0) and (0, 1).
//! - Backends take turns in sorted order. In each turn a backend gains `weight / largest weight`
//!   of a slot, and takes as many free slots along its permutation as it has gained in whole.
//!
//! The paper's table is built off the packet path; a lookup is one index.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

/// Table sizes: primes, each about eight times the one before. Few sizes on purpose: where a
/// service grows past one, its untracked flows are spread anew.
pub const SIZES: [u32; 5] = [1021, 8191, 65_521, 524_287, 4_194_301];

/// Slots per backend that [`size_for`] aims for.
const SLOTS_PER_BACKEND: usize = 100;

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
    let wanted = backends * SLOTS_PER_BACKEND;
    SIZES
        .into_iter()
        .find(|&size| size as usize >= wanted)
        .unwrap_or(SIZES[SIZES.len() - 1])
}

/// A backend's walk through the table.
struct Permutation {
    next: u32,
    skip: u32,
    weight: u32,
    credit: u64,
    backend: BackendIndex,
}

impl Permutation {
    fn new(address: SocketAddr, weight: u16, backend: BackendIndex, size: u32) -> Self {
        let identity = identity(address);
        let size = u64::from(size);
        Self {
            next: (hash(&identity, 0) % size) as u32,
            skip: (hash(&identity, 1) % (size - 1) + 1) as u32,
            weight: u32::from(weight),
            credit: 0,
            backend,
        }
    }

    /// Takes the next free slot; there must be one.
    fn take(&mut self, slots: &mut [BackendIndex], size: u32) {
        loop {
            let slot = self.next as usize;
            self.next = (self.next + self.skip) % size;
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
            .map(|(index, &(address, weight))| Permutation::new(address, weight, index, size))
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

fn fill(walks: &mut [Permutation], largest: u32, size: u32) -> Box<[BackendIndex]> {
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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn backends(count: u16) -> Vec<(SocketAddr, u16)> {
        (0..count)
            .map(|n| {
                let [high, low] = n.to_be_bytes();
                (SocketAddr::from(([10, 0, high, low], 8080)), 1)
            })
            .collect()
    }

    fn build(backends: &[(SocketAddr, u16)]) -> Maglev {
        Maglev::build(backends).expect("there is a backend with a weight")
    }

    /// Slots by address, so that tables of different lists compare.
    fn addresses(table: &Maglev, backends: &[(SocketAddr, u16)]) -> Vec<SocketAddr> {
        table
            .slots()
            .iter()
            .map(|&index| backends[usize::from(index)].0)
            .collect()
    }

    fn loads(table: &Maglev) -> HashMap<BackendIndex, usize> {
        let mut loads = HashMap::new();
        for &slot in table.slots() {
            *loads.entry(slot).or_default() += 1;
        }
        loads
    }

    #[test]
    fn no_backend_no_table() {
        assert_eq!(Maglev::build(&[]), None);
        let draining = [(SocketAddr::from(([10, 0, 0, 1], 1)), 0)];
        assert_eq!(Maglev::build(&draining), None);
    }

    #[test]
    fn every_size_is_prime() {
        for size in SIZES {
            let divisor = (2..).take_while(|n| n * n <= size).find(|n| size % n == 0);
            assert_eq!(divisor, None, "{size}");
        }
    }

    #[test]
    fn the_format_does_not_change_by_accident() {
        let table = build(&backends(3));
        assert_eq!(table.slots().len(), 1021);
        assert_eq!(table.slots()[..16], FORMAT_1_THREE_BACKENDS);
    }

    /// The first slots of `backends(3)`, worked out independently; another value here is
    /// another format.
    const FORMAT_1_THREE_BACKENDS: [BackendIndex; 16] =
        [2, 2, 1, 2, 1, 1, 2, 2, 1, 2, 1, 1, 2, 1, 2, 2];

    #[test]
    fn loads_differ_by_at_most_two_percent() {
        for count in [1, 2, 3, 10, 11, 81, 655] {
            let loads = loads(&build(&backends(count)));
            assert_eq!(loads.len(), usize::from(count));
            let (least, most) = (loads.values().min(), loads.values().max());
            let ratio = *most.expect("not empty") as f64 / *least.expect("not empty") as f64;
            assert!(ratio <= 1.02, "{count} backends: {ratio}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let mut list = backends(4);
        list[0].1 = 3;
        list[3].1 = 0;
        let loads = loads(&build(&list));
        assert_eq!(loads.get(&3), None);
        let share = |n: BackendIndex| loads[&n] as f64 / 1021.0;
        assert!(
            (share(0) - 0.6).abs() < 0.005 && (share(1) - 0.2).abs() < 0.005,
            "{loads:?}"
        );
    }

    #[test]
    fn removing_one_of_ten_moves_little_else() {
        let before = backends(10);
        let after: Vec<_> = before
            .iter()
            .copied()
            .filter(|b| b.0 != before[4].0)
            .collect();
        let old = addresses(&build(&before), &before);
        let new = addresses(&build(&after), &after);
        let moved = old
            .iter()
            .zip(&new)
            .filter(|(o, n)| o != n && **o != before[4].0)
            .count();
        assert!(
            moved as f64 / old.len() as f64 <= 0.05,
            "{moved} of {} moved needlessly",
            old.len()
        );
    }

    proptest! {
        #[test]
        fn the_order_of_backends_does_not_matter(
            list in Just(backends(12)).prop_shuffle(), weights in prop::collection::vec(0u16..5, 12),
        ) {
            let weigh = |mut list: Vec<(SocketAddr, u16)>| {
                for backend in &mut list {
                    let IpAddr::V4(ip) = backend.0.ip() else { unreachable!("all are IPv4") };
                    backend.1 = weights[usize::from(ip.octets()[3])];
                }
                list
            };
            let (sorted, shuffled) = (weigh(backends(12)), weigh(list));
            let tables = (Maglev::build(&sorted), Maglev::build(&shuffled));
            match tables {
                (Some(a), Some(b)) => prop_assert_eq!(addresses(&a, &sorted), addresses(&b, &shuffled)),
                (a, b) => prop_assert_eq!(a, b),
            }
        }

        #[test]
        fn every_hash_picks_a_backend(hash: u64, count in 1u16..50) {
            prop_assert!(build(&backends(count)).pick(hash) < count);
        }
    }
}
