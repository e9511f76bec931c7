//! Numbers that stay with a thing while it exists.
//!
//! Flows and counters refer to services and backends by slot. A slot that becomes free is used
//! again as late as possible, and then under the next epoch, so that what still refers to the old
//! holder can tell.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Which thing has which slot.
#[derive(Debug)]
pub(super) struct Slots<K> {
    held: HashMap<K, u32>,
    epochs: Vec<u16>,
    free: VecDeque<u32>,
    capacity: u32,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// No more than `capacity` things at a time.
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            held: HashMap::new(),
            epochs: Vec::new(),
            free: VecDeque::new(),
            capacity,
        }
    }

    /// The slot and epoch of `key`, new ones if it has none; `None` if none is left.
    pub(super) fn take(&mut self, key: K) -> Option<(u32, u16)> {
        if let Some(&slot) = self.held.get(&key) {
            return Some((slot, self.epochs[slot as usize]));
        }
        let slot = self.fresh().or_else(|| self.reused())?;
        self.held.insert(key, slot);
        Some((slot, self.epochs[slot as usize]))
    }

    fn fresh(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.epochs.len())
            .ok()
            .filter(|&slot| slot < self.capacity)?;
        self.epochs.push(0);
        Some(slot)
    }

    fn reused(&mut self) -> Option<u32> {
        let slot = self.free.pop_front()?;
        let epoch = &mut self.epochs[slot as usize];
        *epoch = epoch.wrapping_add(1);
        Some(slot)
    }

    /// Frees the slots of all things that `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        let mut freed: Vec<_> = self
            .held
            .extract_if(|key, _| !keep(key))
            .map(|(_, slot)| slot)
            .collect();
        freed.sort_unstable();
        self.free.extend(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stay_and_come_back_late_with_another_epoch() {
        let mut slots = Slots::new(3);
        assert_eq!(slots.take("a"), Some((0, 0)));
        assert_eq!(slots.take("b"), Some((1, 0)));
        assert_eq!(slots.take("a"), Some((0, 0)));
        slots.retain(|key| *key == "b");
        assert_eq!(slots.take("c"), Some((2, 0)), "never used before");
        assert_eq!(slots.take("a"), Some((0, 1)), "used again");
        assert_eq!(slots.take("d"), None);
        assert_eq!(slots.take("b"), Some((1, 0)));
    }
}
