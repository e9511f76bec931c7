//! Which flow the fragments of a datagram belong to.
//!
//! Only the first fragment has the transport header, and with it the ports. What it says is
//! remembered for the others of its datagram; those that come before it wait for it, briefly. A
//! worker has one table for each address family, of fixed size.
//!
//! ```text
//!           hold              learn                 KNOWN_FOR
//!  (none) ────────▶ waiting ────────▶ known ports ───────────▶ (none)
//!     │                │ HELD_FOR                  ▲
//!     │                ▼                           │
//!     │             dropped                        │
//!     └───────────────── learn ────────────────────┘
//! ```
//! The first "first fragment" of a datagram is believed, and no other until its time is over: one
//! that says otherwise cannot lead the rest of a datagram elsewhere (RFC 1858; RFC 3128). Nothing is
//! reassembled, and no offsets are followed: receivers judge overlaps (RFC 5722). Times start with
//! the datagram and are not prolonged. Identifications of IPv4 come again within seconds on fast
//! paths (RFC 4963), so that these times are far below those for which receivers keep fragments
//! (RFC 791, section 3.2: 15 s; RFC 8200, section 4.5: 60 s).
//!
//! Nothing here reads packets or the clock. No frame falls: each is given back by exactly one call.

mod list;
mod pool;

use hashbrown::HashMap;

use crate::clock::{TickSpan, Ticks};
use crate::flow::Address;
use crate::flow::hash::KeyHasher;
use crate::frame::BURST;
use list::{Linked, Links, List};
use pool::{Pool, Queue};

/// Datagrams that a table remembers by default.
pub const DATAGRAMS: usize = 4096;
/// Frames that wait by default, for all datagrams.
pub const HELD_ALL: usize = 256;
/// Frames that wait for one datagram at most: what is given back fits a burst.
pub const HELD_EACH: usize = BURST;
/// How long a frame waits for the first fragment of its datagram: 1 s.
pub const HELD_FOR: TickSpan = TickSpan(10);
/// How long the ports of a datagram are remembered: 2 s.
pub const KNOWN_FOR: TickSpan = TickSpan(20);

/// Datagrams that are forgotten in one call of [`Fragments::tick`]. Those whose time is over are not
/// found anyway.
const FORGOTTEN: usize = 64;

/// What all fragments of a datagram share (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// IP protocol number; 0 in IPv6, which tells datagrams apart without it.
    pub protocol: u8,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
}

/// Source and destination port.
pub type Ports = (u16, u16);

/// A second first fragment, with other ports than the one that came before: to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

#[derive(Debug)]
enum State {
    Known(Ports),
    Waiting(Queue),
}

#[derive(Debug)]
struct Datagram<A> {
    key: FragmentKey<A>,
    state: State,
    deadline: Ticks,
    links: Links,
}

#[derive(Debug)]
struct Places<A> {
    datagrams: Box<[Option<Datagram<A>>]>,
    free: Vec<u32>,
}

impl<A> Places<A> {
    fn get(&mut self, place: u32) -> &mut Datagram<A> {
        self.datagrams[place as usize]
            .as_mut()
            .expect("the index and the lists refer only to datagrams that exist")
    }
}

impl<A> Linked for Places<A> {
    fn links(&mut self, place: u32) -> &mut Links {
        &mut self.get(place).links
    }
}

/// The fragmented datagrams of one worker and one address family.
#[derive(Debug)]
pub struct Fragments<A, F> {
    index: HashMap<FragmentKey<A>, u32, KeyHasher>,
    places: Places<A>,
    /// Datagrams whose ports are known, and those that wait: the oldest first.
    known: List,
    waiting: List,
    pool: Pool<F>,
}

impl<A: Address, F> Default for Fragments<A, F> {
    fn default() -> Self {
        Self::new(DATAGRAMS, HELD_ALL)
    }
}

impl<A: Address, F> Fragments<A, F> {
    /// A table of this many datagrams, where `held` frames may wait: fewer than there are datagrams,
    /// so that those that wait never take all places. All memory is allocated now.
    #[must_use]
    pub fn new(datagrams: usize, held: usize) -> Self {
        debug_assert!(held < datagrams);
        Self {
            // Twice the room: hashbrown then clears its tombstones in place.
            index: HashMap::with_capacity_and_hasher(datagrams * 2, KeyHasher::default()),
            places: Places {
                datagrams: std::iter::repeat_with(|| None).take(datagrams).collect(),
                free: (0..datagrams as u32).rev().collect(),
            },
            known: List::EMPTY,
            waiting: List::EMPTY,
            pool: Pool::new(held),
        }
    }

    /// Number of frames that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pool.used()
    }

    /// The ports of the datagram that a fragment belongs to, if its first fragment has come.
    #[must_use]
    pub fn lookup(&self, key: &FragmentKey<A>, now: Ticks) -> Option<Ports> {
        let place = *self.index.get(key)?;
        let datagram = self.places.datagrams[place as usize].as_ref()?;
        match datagram.state {
            State::Known(ports) if !is_past(datagram.deadline, now) => Some(ports),
            _ => None,
        }
    }

    /// Lets a fragment wait for the first of its datagram, whose ports are not known.
    ///
    /// # Errors
    /// The frame comes back: enough wait for this datagram, or in all; or its ports are known.
    pub fn hold(&mut self, key: FragmentKey<A>, frame: F, now: Ticks) -> Result<(), F> {
        if self.lookup(&key, now).is_some() || self.pool.is_full() {
            return Err(frame);
        }
        self.forget_if_past(&key, now);
        let place = match self.index.get(&key) {
            Some(&place) => place,
            None => self.add(key, State::Waiting(Queue::EMPTY), now),
        };
        match &mut self.places.get(place).state {
            State::Waiting(queue) if queue.len() < HELD_EACH => self.pool.push(queue, frame),
            _ => Err(frame),
        }
    }

    /// Remembers what the first fragment of a datagram says, and gives back those that wait for it,
    /// in the order of their coming. If there is no room, the datagram that has been known for the
    /// longest time is forgotten.
    ///
    /// # Errors
    /// Another first fragment has come before, with other ports. Nothing changes.
    pub fn learn(
        &mut self,
        key: FragmentKey<A>,
        ports: Ports,
        now: Ticks,
        mut give: impl FnMut(F),
    ) -> Result<(), Conflict> {
        if let Some(before) = self.lookup(&key, now) {
            return if before == ports {
                Ok(())
            } else {
                Err(Conflict)
            };
        }
        self.forget_if_past(&key, now);
        let waiting = self.index.get(&key).copied();
        if let Some(place) = waiting {
            self.release(place, HELD_EACH, &mut give);
            self.remove(place);
        }
        self.add(key, State::Known(ports), now);
        Ok(())
    }

    /// Gives up on frames that have waited for too long, at most a burst of them in one call, and
    /// forgets old datagrams.
    pub fn tick(&mut self, now: Ticks, mut drop: impl FnMut(F)) {
        let mut budget = BURST;
        while let Some(place) = self.waiting.first() {
            if budget == 0 || !is_past(self.places.get(place).deadline, now) {
                break;
            }
            budget -= self.release(place, budget, &mut drop);
            self.remove_if_empty(place);
        }
        for _ in 0..FORGOTTEN {
            match self.known.first() {
                Some(place) if is_past(self.places.get(place).deadline, now) => self.remove(place),
                _ => break,
            }
        }
    }

    /// Gives up on all frames, and forgets all datagrams.
    pub fn drain(&mut self, mut drop: impl FnMut(F)) {
        while let Some(place) = self.waiting.first() {
            self.release(place, HELD_EACH, &mut drop);
            self.remove(place);
        }
        while let Some(place) = self.known.first() {
            self.remove(place);
        }
    }

    /// Gives up to `most` frames of a datagram, and returns how many.
    fn release(&mut self, place: u32, most: usize, give: &mut impl FnMut(F)) -> usize {
        let State::Waiting(queue) = &mut self.places.get(place).state else {
            return 0;
        };
        let frames = std::iter::from_fn(|| self.pool.pop(queue)).take(most);
        frames.map(give).count()
    }

    fn remove_if_empty(&mut self, place: u32) {
        if matches!(&self.places.get(place).state, State::Waiting(queue) if queue.len() == 0) {
            self.remove(place);
        }
    }

    fn forget_if_past(&mut self, key: &FragmentKey<A>, now: Ticks) {
        let Some(&place) = self.index.get(key) else {
            return;
        };
        let datagram = self.places.get(place);
        if matches!(datagram.state, State::Known(_)) && is_past(datagram.deadline, now) {
            self.remove(place);
        }
    }

    fn add(&mut self, key: FragmentKey<A>, state: State, now: Ticks) -> u32 {
        if self.places.free.is_empty() {
            let oldest = self.known.first();
            self.remove(oldest.expect("fewer frames wait than there are datagrams"));
        }
        let place = self.places.free.pop().expect("there is one now");
        let (list, span) = match state {
            State::Known(_) => (&mut self.known, KNOWN_FOR),
            State::Waiting(_) => (&mut self.waiting, HELD_FOR),
        };
        self.places.datagrams[place as usize] = Some(Datagram {
            key,
            state,
            deadline: now.after(span),
            links: Links::UNLINKED,
        });
        list.push(&mut self.places, place);
        self.index.insert(key, place);
        place
    }

    /// Forgets a datagram for which no frame waits.
    fn remove(&mut self, place: u32) {
        let list = match &self.places.get(place).state {
            State::Known(_) => &mut self.known,
            State::Waiting(queue) => {
                debug_assert_eq!(queue.len(), 0, "frames are given back first");
                &mut self.waiting
            }
        };
        list.remove(&mut self.places, place);
        if let Some(datagram) = self.places.datagrams[place as usize].take() {
            self.index.remove(&datagram.key);
            self.places.free.push(place);
        }
    }
}

/// True from the deadline on.
fn is_past(deadline: Ticks, now: Ticks) -> bool {
    now.since(deadline) <= TickSpan(u32::MAX / 2)
}

#[cfg(test)]
mod tests;
