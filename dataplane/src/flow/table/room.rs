//! Makes room for a new flow: which one goes when the table is full, or too many are half open.

use arrayvec::ArrayVec;

use super::FlowTable;
use crate::clock::{TickSpan, Ticks};
use crate::flow::entry::Flow;
use crate::flow::key::Address;
use crate::flow::tcp::State;

/// Flows that are looked at for the one to evict. Bounds the time that a new flow takes.
const CANDIDATES: usize = 32;

/// A flow that was used more recently than this is not idle: 1 s.
const RECENT: TickSpan = TickSpan(10);

/// Why a flow made room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// It was half open.
    HalfOpen,
    /// It was idle, though not for as long as its timeout allows.
    Idle,
}

/// Whether a new flow has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room.
    Enough,
    /// There is, once a flow has gone for this reason.
    After(Evicted),
    /// There is none, and no flow may go.
    None,
}

/// A flow that was looked at: when it may expire at the earliest, and whether it may go.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: u32,
    deadline: Ticks,
    /// Until the deadline; 0 if it is past.
    left: TickSpan,
    may_go: bool,
}

type Candidates = ArrayVec<Candidate, CANDIDATES>;

impl<A: Address> FlowTable<A> {
    /// Removes and returns a flow, if one must go so that another in state `opening` has room. To be
    /// called before [`Self::insert`], which may still refuse.
    ///
    /// - As many flows are half open as may be, and the new one will be: the one of them that is due
    ///   first goes. In a flood of SYNs that is the oldest, so that a handshake succeeds that takes
    ///   less time than the flood takes to fill the limit.
    /// - The table is full: the half-open flow that is due first goes. If none is half open, of the
    ///   flows that have not been used for a second the one that is due first; more exactly, of 32
    ///   that were due first when they were last looked at.
    pub fn make_room(
        &mut self,
        opening: State,
        now: Ticks,
        timeout: impl Fn(&Flow<A>) -> TickSpan,
    ) -> Option<(Flow<A>, Evicted)> {
        let (state, unused_for, why) = self.who_goes(opening, None)?;
        let candidates = self.take_candidates(state, unused_for, now, timeout);
        let goes = first_to_go(&candidates);
        self.link_again(&candidates, goes);
        Some((self.forget(goes?), why))
    }

    /// What [`Self::make_room`] would do now, if a flow in state `ending` went before. No flow goes.
    pub fn would_make_room(
        &mut self,
        opening: State,
        ending: Option<State>,
        now: Ticks,
        timeout: impl Fn(&Flow<A>) -> TickSpan,
    ) -> Room {
        let Some((state, unused_for, why)) = self.who_goes(opening, ending) else {
            return Room::Enough;
        };
        let candidates = self.take_candidates(state, unused_for, now, timeout);
        self.link_again(&candidates, None);
        match first_to_go(&candidates) {
            Some(_) => Room::After(why),
            None if self.slab.free.is_empty() && ending.is_none() => Room::None,
            None => Room::Enough,
        }
    }

    /// Flows of which state one must go, and for how long it must not have been used; `None` if
    /// there is room.
    fn who_goes(
        &self,
        opening: State,
        ending: Option<State>,
    ) -> Option<(State, TickSpan, Evicted)> {
        let half_open = self.half_open() - usize::from(ending == Some(State::Handshake));
        let capped = opening == State::Handshake && half_open >= self.half_open_limit;
        if !capped && (ending.is_some() || !self.slab.free.is_empty()) {
            return None;
        }
        Some(if self.half_open() > 0 {
            (State::Handshake, TickSpan(0), Evicted::HalfOpen)
        } else {
            (State::Established, RECENT, Evicted::Idle)
        })
    }

    /// Unlinks flows from the wheel of this state, those that are due first, until the rest is
    /// known to be due later than one that may go.
    fn take_candidates(
        &mut self,
        state: State,
        unused_for: TickSpan,
        now: Ticks,
        timeout: impl Fn(&Flow<A>) -> TickSpan,
    ) -> Candidates {
        let mut candidates = Candidates::new();
        let mut least = None;
        let wheel = self.wheels.of(state);
        while let Some((due, index)) = wheel.first() {
            let is_first = least.is_some_and(|least| least <= until(due, now));
            if is_first || candidates.is_full() {
                break;
            }
            wheel.cancel(&mut self.slab, index);
            let flow = self.slab.get(index);
            let candidate = Candidate::new(index, flow, timeout(flow), unused_for, now);
            if candidate.may_go {
                least = Some(least.map_or(candidate.left, |least| candidate.left.min(least)));
            }
            candidates.push(candidate);
        }
        candidates
    }

    /// Links all candidates again, by their true deadlines, but the one that goes.
    fn link_again(&mut self, candidates: &Candidates, goes: Option<u32>) {
        for candidate in candidates {
            if Some(candidate.index) != goes {
                self.link(candidate.index, candidate.deadline);
            }
        }
    }
}

/// Of those that may go, the one that would expire first.
fn first_to_go(candidates: &Candidates) -> Option<u32> {
    let may_go = candidates.iter().filter(|candidate| candidate.may_go);
    let first = may_go.min_by_key(|candidate| candidate.left);
    first.map(|candidate| candidate.index)
}

impl Candidate {
    fn new<A: Address>(
        index: u32,
        flow: &Flow<A>,
        allowed: TickSpan,
        unused_for: TickSpan,
        now: Ticks,
    ) -> Self {
        let idle = now.since(flow.last_seen);
        Self {
            index,
            deadline: flow.last_seen.after(allowed),
            left: TickSpan(allowed.0.saturating_sub(idle.0)),
            may_go: idle >= unused_for,
        }
    }
}

/// The span from `now` to `due`; 0 if it is past.
fn until(due: Ticks, now: Ticks) -> TickSpan {
    match due.since(now) {
        TickSpan(span) if span > u32::MAX / 2 => TickSpan(0),
        span => span,
    }
}

#[cfg(test)]
mod tests;
