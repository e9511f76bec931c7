//! The longest packets that fit the ways to tunnel exits, as routers on them have said (RFC 2003,
//! section 5.1; RFC 1191; RFC 8201).
//!
//! Anybody can send such a message; one that names a backend can lower what its tunnel carries,
//! but not below what every link must carry, and only for a while.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::clock::{TickSpan, Ticks};
use crate::flow::hash::KeyHasher;

/// Exits that are remembered at most; of more, routers tell again.
const CAPACITY: usize = 1024;
/// How long a value counts: 10 min (RFC 1191, section 6.3).
const LIFETIME: TickSpan = TickSpan(6000);
/// Least values that are believed (RFC 791, RFC 8200), so that nobody can stop a tunnel.
const LEAST_V4: u16 = 576;
const LEAST_V6: u16 = 1280;

#[derive(Clone, Copy, Debug)]
struct Entry {
    mtu: u16,
    learned: Ticks,
}

/// Path MTUs by tunnel exit. Its memory is allocated at the start.
#[derive(Debug)]
pub struct PathMtus {
    by_exit: HashMap<IpAddr, Entry, KeyHasher>,
    now: Ticks,
}

impl Default for PathMtus {
    fn default() -> Self {
        Self {
            // Twice what it holds: a map whose keys change then makes room within its own memory.
            by_exit: HashMap::with_capacity_and_hasher(2 * CAPACITY, KeyHasher::default()),
            now: Ticks::default(),
        }
    }
}

impl PathMtus {
    /// The longest IP packet that fits the way to `exit`, in bytes, if a router has said so.
    #[inline]
    #[must_use]
    pub fn get(&self, exit: IpAddr) -> Option<u16> {
        if self.by_exit.is_empty() {
            return None;
        }
        let entry = self.by_exit.get(&exit)?;
        (self.now.since(entry.learned) < LIFETIME).then_some(entry.mtu)
    }

    /// Notes what a router says of the way to `exit`. A value for longer packets than the known
    /// one is believed only once that has expired.
    pub fn learn(&mut self, exit: IpAddr, mtu: u16, now: Ticks) {
        self.now = now;
        let least = if exit.is_ipv4() { LEAST_V4 } else { LEAST_V6 };
        let known = self.get(exit).unwrap_or(u16::MAX);
        let mtu = mtu.max(least).min(known);
        if self.by_exit.len() >= CAPACITY && !self.by_exit.contains_key(&exit) {
            self.by_exit
                .retain(|_, entry| now.since(entry.learned) < LIFETIME);
            if self.by_exit.len() >= CAPACITY {
                return;
            }
        }
        self.by_exit.insert(exit, Entry { mtu, learned: now });
    }

    /// Tells the time. Expiry needs no more than this.
    pub fn tick(&mut self, now: Ticks) {
        self.now = now;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn exit(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    #[test]
    fn the_least_that_was_said_counts_until_it_expires() {
        let mut mtus = PathMtus::default();
        mtus.learn(exit(1), 1400, Ticks(5));
        mtus.learn(exit(1), 1450, Ticks(6));
        assert_eq!((mtus.get(exit(1)), mtus.get(exit(2))), (Some(1400), None));
        mtus.tick(Ticks(6).after(LIFETIME));
        assert_eq!(mtus.get(exit(1)), None);
        mtus.learn(exit(1), 1450, Ticks(7).after(LIFETIME));
        assert_eq!(mtus.get(exit(1)), Some(1450));
    }

    #[test]
    fn nobody_can_stop_a_tunnel() {
        let mut mtus = PathMtus::default();
        mtus.learn(exit(1), 0, Ticks(0));
        mtus.learn(
            IpAddr::V6([0xfd00, 0, 0, 0, 0, 0, 0, 1].into()),
            68,
            Ticks(0),
        );
        assert_eq!(mtus.get(exit(1)), Some(LEAST_V4));
        assert_eq!(
            mtus.get(IpAddr::V6([0xfd00, 0, 0, 0, 0, 0, 0, 1].into())),
            Some(LEAST_V6)
        );
    }

    #[test]
    fn memory_is_bounded_and_the_dead_make_room() {
        let mut mtus = PathMtus::default();
        let room = mtus.by_exit.capacity();
        for n in 0..3 * CAPACITY as u32 {
            mtus.learn(exit(n), 1400, Ticks(0));
        }
        assert_eq!(
            (mtus.by_exit.len(), mtus.by_exit.capacity()),
            (CAPACITY, room)
        );
        mtus.learn(exit(u32::MAX), 1400, Ticks(0).after(LIFETIME));
        assert_eq!(mtus.get(exit(u32::MAX)), Some(1400));
    }
}
