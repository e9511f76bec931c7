//! Finds idle flows without looking at busy ones (Varghese & Lauck, "Hashed and hierarchical timing
//! wheels", SOSP 1987, scheme 6, with lazy renewal).
//!
//! Each slot of the wheel is a list, threaded through the flows themselves, of those that may
//! expire in that tick. A packet only writes its flow's `last_seen`. When a slot's time comes, its
//! flows are looked at: those that were used meanwhile go to a later slot. A timeout beyond the
//! wheel's horizon is looked at once per turn of the wheel.
//!
//! The entry that is due first is found in constant time, also long before it is due: that is what
//! goes when room is needed.

use super::bitmap::{self, Bitmap};
use crate::clock::{TickSpan, Ticks};

/// Slots, one tick each: a horizon of 409 s.
const SLOTS: usize = bitmap::BITS;

/// Spans from here on are negative ones, on a clock that wraps.
const BACKWARDS: TickSpan = TickSpan(1 << 31);

/// The end of a list.
const NIL: u32 = u32::MAX;

/// Marks a `previous` that is not an entry but the slot whose head this is.
const HEAD: u32 = 1 << 31;

/// An entry's neighbors in its slot's list. Entries are numbered below 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    next: u32,
    previous: u32,
}

impl Links {
    pub(crate) const UNLINKED: Self = Self {
        next: NIL,
        previous: NIL,
    };
}

/// Gives the wheel access to the links that live in the flows.
pub(super) trait Linked {
    fn links(&mut self, index: u32) -> &mut Links;
}

/// The heads of the lists, and how far time has come.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32]>,
    /// Slots whose list is not empty.
    occupied: Bitmap,
    len: usize,
    now: Ticks,
}

impl Wheel {
    pub(super) fn new(now: Ticks) -> Self {
        Self {
            heads: vec![NIL; SLOTS].into_boxed_slice(),
            occupied: Bitmap::new(),
            len: 0,
            now,
        }
    }

    const fn slot(at: Ticks) -> usize {
        at.0 as usize % SLOTS
    }

    /// Number of linked entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Links an unlinked entry so that it is looked at when `due`, or at the horizon. What is due
    /// already is looked at in the next tick.
    pub(super) fn schedule(&mut self, entries: &mut impl Linked, index: u32, due: Ticks) {
        let span = match due.since(self.now) {
            span if span >= BACKWARDS => 1,
            span => span.0.clamp(1, SLOTS as u32 - 1),
        };
        let slot = Self::slot(self.now.after(TickSpan(span)));
        let next = self.heads[slot];
        *entries.links(index) = Links {
            next,
            previous: HEAD | slot as u32,
        };
        if next == NIL {
            self.occupied.set(slot);
        } else {
            entries.links(next).previous = index;
        }
        self.heads[slot] = index;
        self.len += 1;
    }

    /// Unlinks an entry; no effect if it is not linked.
    pub(super) fn cancel(&mut self, entries: &mut impl Linked, index: u32) {
        let links = std::mem::replace(entries.links(index), Links::UNLINKED);
        if links == Links::UNLINKED {
            return;
        }
        self.len -= 1;
        if links.next != NIL {
            entries.links(links.next).previous = links.previous;
        }
        if links.previous & HEAD == 0 {
            entries.links(links.previous).next = links.next;
            return;
        }
        let slot = (links.previous ^ HEAD) as usize;
        self.heads[slot] = links.next;
        if links.next == NIL {
            self.occupied.clear(slot);
        }
    }

    /// The entry that will be looked at first, and when.
    pub(super) fn first(&self) -> Option<(Ticks, u32)> {
        let start = Self::slot(self.now);
        let slot = self.occupied.next(start)?;
        let ahead = (slot + SLOTS - start) % SLOTS;
        Some((self.now.after(TickSpan(ahead as u32)), self.heads[slot]))
    }

    /// Advances towards `now`, and unlinks and returns the next entry to look at. `None` when time
    /// has come to `now` and nothing is due, or is beyond it: the wheel starts by the clock of
    /// another CPU, which may be a little ahead.
    pub(super) fn next_due(&mut self, entries: &mut impl Linked, now: Ticks) -> Option<u32> {
        let ahead = now.since(self.now);
        if ahead >= BACKWARDS {
            return None;
        }
        match self.first() {
            Some((due, head)) if due.since(self.now) <= ahead => {
                self.now = due;
                self.cancel(entries, head);
                Some(head)
            }
            _ => {
                self.now = now;
                None
            }
        }
    }

    /// The wheel's time; it lags behind while entries are due.
    #[cfg(test)]
    pub(super) fn now(&self) -> Ticks {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Linked for Vec<Links> {
        fn links(&mut self, index: u32) -> &mut Links {
            &mut self[index as usize]
        }
    }

    fn due(wheel: &mut Wheel, entries: &mut Vec<Links>, now: u32) -> Vec<u32> {
        let mut due: Vec<_> = std::iter::from_fn(|| wheel.next_due(entries, Ticks(now))).collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn cancelled_entries_do_not_come_due() {
        let mut entries = vec![Links::UNLINKED; 4];
        let mut wheel = Wheel::new(Ticks(0));
        for index in 0..4 {
            wheel.schedule(&mut entries, index, Ticks(10));
        }
        for index in [0, 2] {
            wheel.cancel(&mut entries, index);
            wheel.cancel(&mut entries, index);
        }
        assert_eq!(due(&mut wheel, &mut entries, 9), []);
        assert_eq!(due(&mut wheel, &mut entries, 10), [1, 3]);
        assert_eq!(wheel.now(), Ticks(10));
    }

    #[test]
    fn beyond_the_horizon_is_looked_at_once_a_turn() {
        let mut entries = vec![Links::UNLINKED; 1];
        let mut wheel = Wheel::new(Ticks(u32::MAX - 3));
        let far = Ticks(u32::MAX - 3).after(TickSpan(1_000_000));
        wheel.schedule(&mut entries, 0, far);
        let horizon = Ticks(u32::MAX - 3).after(TickSpan(SLOTS as u32 - 1)).0;
        assert_eq!(due(&mut wheel, &mut entries, horizon - 1), []);
        assert_eq!(due(&mut wheel, &mut entries, horizon), [0]);
    }

    #[test]
    fn a_clock_that_lags_behind_the_wheel_is_waited_for() {
        let mut entries = vec![Links::UNLINKED; 1];
        let mut wheel = Wheel::new(Ticks(10));
        wheel.schedule(&mut entries, 0, Ticks(15));
        assert_eq!(due(&mut wheel, &mut entries, 9), []);
        assert_eq!(due(&mut wheel, &mut entries, 14), []);
        assert_eq!(due(&mut wheel, &mut entries, 15), [0]);
    }

    proptest! {
        #[test]
        fn everything_comes_due_exactly_at_its_time(
            spans in prop::collection::vec(1u32..200, 1..40), cancelled in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut entries = vec![Links::UNLINKED; spans.len()];
            let mut wheel = Wheel::new(Ticks(5));
            for (index, &span) in (0..).zip(&spans) {
                wheel.schedule(&mut entries, index, Ticks(5 + span));
            }
            let gone = |index: u32| cancelled[index as usize];
            for index in (0..spans.len() as u32).filter(|&i| gone(i)) {
                wheel.cancel(&mut entries, index);
            }
            let still = |tick: u32| spans.iter().zip(&cancelled)
                .filter(move |(span, gone)| !**gone && 5 + **span >= tick)
                .map(|(span, _)| 5 + span);
            for tick in 5..210 {
                prop_assert_eq!(wheel.first().map(|(due, _)| due.0), still(tick).min());
                prop_assert_eq!(wheel.len(), still(tick).count());
                let expected: Vec<_> = (0..).zip(&spans)
                    .filter(|(i, span)| !gone(*i) && 5 + **span == tick)
                    .map(|(index, _)| index)
                    .collect();
                prop_assert_eq!(due(&mut wheel, &mut entries, tick), expected);
            }
        }
    }
}
