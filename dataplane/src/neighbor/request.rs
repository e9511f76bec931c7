//! Which neighbors are to be asked, in which order, and how many at a time.

use std::collections::VecDeque;

use super::Role;
use super::place::CAPACITY;
use crate::network::Route;
use crate::wire::MacAddr;

/// Requests for infrastructure in a tick.
pub const REQUESTS_PER_TICK: usize = 128;
/// Requests for clients in a tick.
pub const CLIENT_REQUESTS_PER_TICK: usize = 64;

/// A question to send: ARP for an IPv4 next hop, a neighbor solicitation for an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose address is asked, and where.
    pub route: Route,
    /// The station to ask; `None` for all (broadcast, or the solicited-node group).
    pub unicast: Option<MacAddr>,
}

/// Places to ask, the longest waiting first, in a queue for each role.
#[derive(Debug)]
pub(super) struct Requests {
    infrastructure: Lane,
    clients: Lane,
}

#[derive(Debug)]
struct Lane {
    places: VecDeque<u16>,
    /// Requests left in this tick.
    budget: usize,
    per_tick: usize,
}

impl Lane {
    fn new(per_tick: usize) -> Self {
        Self {
            places: VecDeque::with_capacity(CAPACITY),
            budget: per_tick,
            per_tick,
        }
    }

    fn pop(&mut self, mut ask: impl FnMut(u16) -> Option<Request>) -> Option<Request> {
        while self.budget > 0 {
            if let Some(request) = ask(self.places.pop_front()?) {
                self.budget -= 1;
                return Some(request);
            }
        }
        None
    }
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            infrastructure: Lane::new(REQUESTS_PER_TICK),
            clients: Lane::new(CLIENT_REQUESTS_PER_TICK),
        }
    }

    /// Queues a place. False if there is no room: it must come again.
    pub(super) fn push(&mut self, place: u16, role: Role) -> bool {
        let lane = match role {
            Role::Infrastructure => &mut self.infrastructure,
            Role::Client => &mut self.clients,
        };
        let room = lane.places.len() < CAPACITY;
        if room {
            lane.places.push_back(place);
        }
        room
    }

    /// The next request of those that `ask` still wants, within this tick's budget.
    pub(super) fn pop(
        &mut self,
        mut ask: impl FnMut(u16, Role) -> Option<Request>,
    ) -> Option<Request> {
        let first = self
            .infrastructure
            .pop(|place| ask(place, Role::Infrastructure));
        first.or_else(|| self.clients.pop(|place| ask(place, Role::Client)))
    }

    /// Places in the queues.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.infrastructure.places.len() + self.clients.places.len()
    }

    /// A new tick has begun.
    pub(super) fn replenish(&mut self) {
        for lane in [&mut self.infrastructure, &mut self.clients] {
            lane.budget = lane.per_tick;
        }
    }
}
