//! The flow table of one worker and one address family: fixed capacity, no allocation after start.
//!
//! ```text
//! key ─▶ index ─▶ slab of flows ◀─ wheel of half-open flows
//!                               ◀─ wheel of the others
//! ```
//! Half-open flows have a timer wheel of their own, so that the first of them is found at once when
//! it must make room: a flood of SYNs competes with itself, not with connections that are in use.

mod room;

pub use room::{Evicted, Room};

use super::entry::{Direction, Flow, FlowIndex};
use super::hash::Seed;
use super::index::{Index, Reference};
use super::key::{Address, FlowKey};
use super::tcp::{Return, State, TcpFacts, Transition};
use super::wheel::{Linked, Links, Wheel};
use crate::clock::{TickSpan, Ticks};
use crate::dpdk::prefetch::prefetch_whole;

/// Flows by place, and the places that are free.
#[derive(Debug)]
struct Slab<A> {
    flows: Box<[Option<Flow<A>>]>,
    free: Vec<u32>,
}

impl<A: Address> Slab<A> {
    fn new(capacity: usize) -> Self {
        let free = (0..capacity as u32).rev().collect();
        Self {
            flows: vec![None; capacity].into_boxed_slice(),
            free,
        }
    }

    fn get(&self, index: u32) -> &Flow<A> {
        self.flows[index as usize]
            .as_ref()
            .expect("the index refers only to flows that exist")
    }

    fn get_mut(&mut self, index: u32) -> &mut Flow<A> {
        self.flows[index as usize]
            .as_mut()
            .expect("the index refers only to flows that exist")
    }
}

impl<A: Address> Linked for Slab<A> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.get_mut(index).timer
    }
}

/// A key with its hash, so that the hash is computed once per packet.
#[derive(Clone, Copy, Debug)]
pub struct Probe<A> {
    /// The packet's key.
    pub key: FlowKey<A>,
    hash: u64,
}

/// The flows of one worker.
#[derive(Debug)]
pub struct FlowTable<A> {
    index: Index,
    slab: Slab<A>,
    wheels: Wheels,
    half_open_limit: usize,
    seed: Seed,
}

/// The timer wheels. A flow is in the one that its state says.
#[derive(Debug)]
struct Wheels {
    half_open: Wheel,
    others: Wheel,
}

impl Wheels {
    const fn of(&mut self, state: State) -> &mut Wheel {
        match state {
            State::Handshake => &mut self.half_open,
            _ => &mut self.others,
        }
    }
}

const fn reference(index: u32, direction: Direction) -> Reference {
    index << 1 | matches!(direction, Direction::Reverse) as u32
}

const fn referred(reference: Reference) -> (u32, Direction) {
    let direction = if reference & 1 == 0 {
        Direction::Forward
    } else {
        Direction::Reverse
    };
    (reference >> 1, direction)
}

impl<A> Probe<A> {
    /// The key's hash: the same for all packets of the flow that come this way.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

impl<A: Address> FlowTable<A> {
    /// A table for up to `capacity` flows (at most 2^30), all of it allocated now. A quarter of them
    /// may be half open.
    #[must_use]
    pub fn new(capacity: usize, now: Ticks) -> Self {
        Self {
            index: Index::new(capacity * 2),
            slab: Slab::new(capacity),
            wheels: Wheels {
                half_open: Wheel::new(now),
                others: Wheel::new(now),
            },
            half_open_limit: capacity.div_ceil(4),
            seed: Seed::random(),
        }
    }

    /// The same table, where this many flows may be half open before the first of them makes room
    /// for the next (see [`Self::make_room`]). At least one.
    #[must_use]
    pub fn with_half_open_limit(self, limit: usize) -> Self {
        Self {
            half_open_limit: limit.max(1),
            ..self
        }
    }

    /// Number of flows that there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slab.flows.len()
    }

    /// Number of half-open flows.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.wheels.half_open.len()
    }

    /// Number of flows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.flows.len() - self.slab.free.len()
    }

    /// True if there are no flows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hashes a key and asks for the memory that [`Self::find`] will read.
    #[inline]
    #[must_use]
    pub fn probe(&self, key: FlowKey<A>) -> Probe<A> {
        let hash = key.hash(self.seed);
        self.index.prefetch(hash);
        Probe { key, hash }
    }

    /// Asks for the memory of the flow that this key probably has.
    #[inline]
    pub fn prefetch_flow(&self, probe: &Probe<A>) {
        self.index.find(probe.hash, |found| {
            prefetch_whole(&self.slab.flows[(found >> 1) as usize]);
            true
        });
    }

    /// The flow that a packet with this key belongs to, and the packet's direction.
    #[inline]
    #[must_use]
    pub fn find(&self, probe: &Probe<A>) -> Option<(FlowIndex, Direction)> {
        let is_it = |found| {
            let (index, direction) = referred(found);
            self.slab.get(index).key(direction) == probe.key
        };
        let (index, direction) = referred(self.index.find(probe.hash, is_it)?);
        Some((FlowIndex(index), direction))
    }

    /// True if a flow has this key in either direction.
    #[must_use]
    pub fn has(&self, key: FlowKey<A>) -> bool {
        self.find(&Probe {
            key,
            hash: key.hash(self.seed),
        })
        .is_some()
    }

    /// A flow that exists.
    #[must_use]
    pub fn get(&self, index: FlowIndex) -> &Flow<A> {
        self.slab.get(index.0)
    }

    /// The same, writable. Its addresses, ports and protocol must not be changed.
    pub fn get_mut(&mut self, index: FlowIndex) -> &mut Flow<A> {
        self.slab.get_mut(index.0)
    }

    /// Adds a flow whose keys are not in the table, to be looked at when it has been idle for
    /// `timeout`; `None` if there is no room for it (see [`Self::make_room`]).
    ///
    /// In `nat` mode the choice of the source port makes the replies' key unique. In `gateway` mode
    /// the client's does, unless it reaches one backend by two VIPs from one port: the caller asks
    /// [`Self::has`].
    pub fn insert(&mut self, flow: Flow<A>, timeout: TickSpan) -> Option<FlowIndex> {
        let index = self.slab.free.pop()?;
        if !self.add_keys(index, &flow) {
            self.slab.free.push(index);
            return None;
        }
        self.slab.flows[index as usize] = Some(flow);
        self.link(index, flow.last_seen.after(timeout));
        Some(FlowIndex(index))
    }

    /// False, and nothing added, if a key finds no place in the index.
    fn add_keys(&mut self, index: u32, flow: &Flow<A>) -> bool {
        let added = self.index.insert(
            flow.forward_key().hash(self.seed),
            reference(index, Direction::Forward),
        );
        if !added || flow.returns() == Return::Direct {
            return added;
        }
        let added = self.index.insert(
            flow.reverse_key().hash(self.seed),
            reference(index, Direction::Reverse),
        );
        if !added {
            self.remove_key(index, flow, Direction::Forward);
        }
        added
    }

    fn remove_key(&mut self, index: u32, flow: &Flow<A>, direction: Direction) {
        let hash = flow.key(direction).hash(self.seed);
        let removed = self.index.remove(hash, reference(index, direction));
        debug_assert!(removed, "keys do not change while a flow is in the table");
    }

    fn link(&mut self, index: u32, due: Ticks) {
        let state = self.slab.get(index).state();
        self.wheels.of(state).schedule(&mut self.slab, index, due);
    }

    fn unlink(&mut self, index: u32) {
        let state = self.slab.get(index).state();
        self.wheels.of(state).cancel(&mut self.slab, index);
    }

    /// Removes a flow that exists, and returns it.
    pub fn remove(&mut self, index: FlowIndex) -> Flow<A> {
        self.unlink(index.0);
        self.forget(index.0)
    }

    /// Removes a flow that is in no wheel.
    fn forget(&mut self, index: u32) -> Flow<A> {
        let flow = self.slab.flows[index as usize]
            .take()
            .expect("only flows that exist are removed");
        self.remove_key(index, &flow, Direction::Forward);
        if flow.returns() == Return::ThroughUs {
            self.remove_key(index, &flow, Direction::Reverse);
        }
        self.slab.free.push(index);
        flow
    }

    /// Follows a packet of a flow: how far the connection is, and when and with which
    /// acknowledgement number it was last heard of. A new state takes its timeout at once. A
    /// connection that was refused is the caller's to remove.
    #[inline]
    pub fn follow(
        &mut self,
        index: FlowIndex,
        direction: Direction,
        facts: TcpFacts,
        now: Ticks,
        timeout: impl FnOnce(&Flow<A>) -> TickSpan,
    ) -> Transition {
        let flow = self.slab.get_mut(index.0);
        let before = flow.state();
        let transition = flow.follow(direction, facts, now);
        if transition == Transition::Changed {
            self.relink(index, before, now, timeout);
        }
        transition
    }

    /// Starts a flow over, for a new connection on the ports of one that has closed. It is half open
    /// again, and the limit does not hold it back.
    pub fn reopen(
        &mut self,
        index: FlowIndex,
        now: Ticks,
        timeout: impl FnOnce(&Flow<A>) -> TickSpan,
    ) {
        let flow = self.slab.get_mut(index.0);
        let before = flow.state();
        flow.reopen(now);
        self.relink(index, before, now, timeout);
    }

    /// Moves a flow that was linked in state `before` to where its new state belongs.
    fn relink(
        &mut self,
        FlowIndex(index): FlowIndex,
        before: State,
        now: Ticks,
        timeout: impl FnOnce(&Flow<A>) -> TickSpan,
    ) {
        self.wheels.of(before).cancel(&mut self.slab, index);
        let span = timeout(self.slab.get(index));
        self.link(index, now.after(span));
    }

    /// Removes flows that have been idle for longer than `timeout` says, half-open ones first,
    /// looking at no more than `budget` flows, and gives each to `expired`.
    pub fn expire(
        &mut self,
        now: Ticks,
        budget: usize,
        timeout: impl Fn(&Flow<A>) -> TickSpan,
        mut expired: impl FnMut(Flow<A>),
    ) {
        for _ in 0..budget {
            let Some(index) = self.next_due(now) else {
                return;
            };
            let flow = self.slab.get(index);
            let allowed = timeout(flow);
            if now.since(flow.last_seen) >= allowed {
                expired(self.forget(index));
            } else {
                self.link(index, flow.last_seen.after(allowed));
            }
        }
    }

    fn next_due(&mut self, now: Ticks) -> Option<u32> {
        let Wheels { half_open, others } = &mut self.wheels;
        half_open
            .next_due(&mut self.slab, now)
            .or_else(|| others.next_due(&mut self.slab, now))
    }

    /// Looks at the next `budget` places of the table, and gives the flows that are there. `cursor`
    /// starts at 0 and moves on; the whole table has been seen when it comes to
    /// [`Self::capacity`]. A flow that stays from the first look to the last is seen exactly once.
    pub fn scan(
        &self,
        cursor: &mut usize,
        budget: usize,
    ) -> impl Iterator<Item = (FlowIndex, &Flow<A>)> {
        let first = (*cursor).min(self.capacity());
        *cursor = first.saturating_add(budget).min(self.capacity());
        (first as u32..)
            .zip(&self.slab.flows[first..*cursor])
            .filter_map(|(index, flow)| Some((FlowIndex(index), flow.as_ref()?)))
    }
}

#[cfg(test)]
mod tests;
