//! The flow table of one worker and one address family: fixed capacity, no allocation after start.

use super::entry::{Direction, Flow, FlowIndex, Transition};
use super::hash::Seed;
use super::index::{Index, Reference};
use super::key::{Address, FlowKey};
use super::wheel::{Linked, Links, Wheel};
use crate::clock::{TickSpan, Ticks};
use crate::dpdk::prefetch::prefetch_read;
use crate::wire::tcp::TcpFlags;

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
    wheel: Wheel,
    seed: Seed,
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

impl<A: Address> FlowTable<A> {
    /// A table for up to `capacity` flows (at most 2^30), all of it allocated now.
    #[must_use]
    pub fn new(capacity: usize, now: Ticks) -> Self {
        Self {
            index: Index::new(capacity * 2),
            slab: Slab::new(capacity),
            wheel: Wheel::new(now),
            seed: Seed::random(),
        }
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
            prefetch_read(&self.slab.flows[(found >> 1) as usize]);
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

    /// The same, writable. Its keys must not be changed.
    pub fn get_mut(&mut self, index: FlowIndex) -> &mut Flow<A> {
        self.slab.get_mut(index.0)
    }

    /// Adds a flow whose two keys are not in the table; `None` if there is no room for it.
    pub fn insert(&mut self, flow: Flow<A>, timeout: TickSpan) -> Option<FlowIndex> {
        let index = self.slab.free.pop()?;
        let [forward, reverse] = self.hashes(&flow);
        if !self
            .index
            .insert(forward, reference(index, Direction::Forward))
        {
            self.slab.free.push(index);
            return None;
        }
        if !self
            .index
            .insert(reverse, reference(index, Direction::Reverse))
        {
            self.index
                .remove(forward, reference(index, Direction::Forward));
            self.slab.free.push(index);
            return None;
        }
        self.slab.flows[index as usize] = Some(flow);
        self.wheel.schedule(&mut self.slab, index, timeout);
        Some(FlowIndex(index))
    }

    fn hashes(&self, flow: &Flow<A>) -> [u64; 2] {
        [
            flow.forward_key().hash(self.seed),
            flow.reverse_key().hash(self.seed),
        ]
    }

    /// Removes a flow that exists, and returns it.
    pub fn remove(&mut self, index: FlowIndex) -> Flow<A> {
        self.wheel.cancel(&mut self.slab, index.0);
        self.forget(index.0)
    }

    fn forget(&mut self, index: u32) -> Flow<A> {
        let flow = self.slab.flows[index as usize]
            .take()
            .expect("only flows that exist are removed");
        let [forward, reverse] = self.hashes(&flow);
        self.index
            .remove(forward, reference(index, Direction::Forward));
        self.index
            .remove(reverse, reference(index, Direction::Reverse));
        self.slab.free.push(index);
        flow
    }

    /// Follows a packet of a flow (see [`Flow::follow`]); a new state takes its timeout at once.
    pub fn follow(
        &mut self,
        index: FlowIndex,
        direction: Direction,
        flags: TcpFlags,
        now: Ticks,
        timeout: impl FnOnce(&Flow<A>) -> TickSpan,
    ) -> Transition {
        let flow = self.slab.get_mut(index.0);
        let transition = flow.follow(direction, flags, now);
        if transition == Transition::Changed {
            let span = timeout(flow);
            self.reschedule(index, span);
        }
        transition
    }

    /// Looks at a flow again after `span`, instead of when it was due.
    pub fn reschedule(&mut self, index: FlowIndex, span: TickSpan) {
        self.wheel.cancel(&mut self.slab, index.0);
        self.wheel.schedule(&mut self.slab, index.0, span);
    }

    /// Removes flows that have been idle for longer than `timeout` says, looking at no more than
    /// `budget` flows, and gives each to `expired`.
    pub fn expire(
        &mut self,
        now: Ticks,
        budget: usize,
        timeout: impl Fn(&Flow<A>) -> TickSpan,
        mut expired: impl FnMut(Flow<A>),
    ) {
        for _ in 0..budget {
            let Some(index) = self.wheel.next_due(&mut self.slab, now) else {
                return;
            };
            let flow = self.slab.get(index);
            let (allowed, idle) = (timeout(flow), now.since(flow.last_seen));
            if idle >= allowed {
                expired(self.forget(index));
            } else {
                self.wheel
                    .schedule(&mut self.slab, index, TickSpan(allowed.0 - idle.0));
            }
        }
    }
}

#[cfg(test)]
mod tests;
