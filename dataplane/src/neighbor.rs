//! Ethernet addresses of next hops, and the packets that wait for them.
//!
//! Each worker has its own table. Whichever worker hears an ARP packet tells the others (see
//! [`crate::worker`]); a worker asks for what it needs itself. A flow refers to its next hop by a
//! [`NeighborRef`], so that sending a packet is one array access.
//!
//! ```text
//!            resolve            reply
//!   (none) ──────────▶ Asking ────────▶ Known ──▶ asked again when older than REFRESH, still used
//!                        │ no reply
//!                        ▼
//!                      Failed  (asked again after RETRY, when next needed)
//! ```

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::clock::{TickSpan, Ticks};
use crate::flow::hash::KeyHasher;
use crate::network::{InterfaceIndex, Route};
use crate::wire::MacAddr;

/// Neighbors that a worker knows at most.
pub const CAPACITY: usize = 4096;
/// Packets that wait for one neighbor at most: the first packets of this many flows, when all
/// clients come at once after a start.
pub const WAITING_EACH: usize = 512;
/// Packets that wait for all neighbors at most.
pub const WAITING_ALL: usize = 2048;
/// Time between requests for the same neighbor.
const RETRY: TickSpan = TickSpan(10);
/// Requests without a reply before a neighbor counts as failed.
const ATTEMPTS: u8 = 3;
/// Places that are looked at for one that is free. Bounds the time that a new flow takes.
const SEARCH: usize = 64;
/// Age at which a known neighbor is asked again.
const REFRESH: TickSpan = TickSpan(300);

/// Refers to a neighbor of one worker. Valid until [`Neighbors::unrefer`], and as long as a frame
/// waits: a place is given to another address only when nobody uses it and all others are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighborRef(u16);

/// A neighbor's Ethernet address, learned by some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborUpdate {
    /// Where it is.
    pub interface: InterfaceIndex,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asking {
        since: Ticks,
        attempts: u8,
    },
    Known {
        mac: MacAddr,
        confirmed: Ticks,
        asked: Ticks,
    },
    Failed {
        since: Ticks,
    },
}

#[derive(Clone, Copy, Debug)]
struct Neighbor {
    route: Route,
    state: State,
    waiting: u16,
    /// Referred to by this many flows.
    users: u32,
    /// In the list of places that may be unused.
    listed: bool,
}

impl Neighbor {
    const fn is_free(&self) -> bool {
        self.users == 0 && self.waiting == 0 && !matches!(self.state, State::Asking { .. })
    }
}

/// What a packet finds that wants to leave by a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Send it there.
    Known(MacAddr),
    /// Let it wait.
    Unresolved,
}

/// A packet is not taken to wait because too many wait already. It comes back.
#[derive(Debug)]
pub struct QueueFull<F>(pub F);

/// A frame that waits, complete but for its Ethernet destination.
#[derive(Debug)]
struct Waiting<F> {
    neighbor: u16,
    frame: F,
}

/// The neighbors of one worker.
#[derive(Debug)]
pub struct Neighbors<F> {
    places: Vec<Neighbor>,
    by_address: HashMap<Route, u16, KeyHasher>,
    waiting: Vec<Waiting<F>>,
    /// Requests to send: places whose state says that they have just been asked.
    requests: Vec<u16>,
    /// Places in state `Asking`.
    asking: Vec<u16>,
    /// When those were looked at last.
    ticked: Ticks,
    /// Places that lost their last user, the longest ago first; some are in use again.
    unused: VecDeque<u16>,
}

impl<F> Default for Neighbors<F> {
    fn default() -> Self {
        Self {
            places: Vec::with_capacity(CAPACITY),
            // Twice what it holds: with room to spare, a map whose keys change makes room for
            // new ones within its own memory.
            by_address: HashMap::with_capacity_and_hasher(2 * CAPACITY, KeyHasher::default()),
            waiting: Vec::with_capacity(WAITING_ALL),
            requests: Vec::with_capacity(CAPACITY),
            asking: Vec::with_capacity(CAPACITY),
            ticked: Ticks::default(),
            unused: VecDeque::with_capacity(CAPACITY),
        }
    }
}

impl<F> Neighbors<F> {
    /// The neighbor of this route, with one more user; `None` if the table is full.
    pub fn refer(&mut self, route: Route, now: Ticks) -> Option<NeighborRef> {
        let place = match self.by_address.get(&route) {
            Some(&place) => place,
            None => self.add(route, now)?,
        };
        self.places[usize::from(place)].users += 1;
        Some(NeighborRef(place))
    }

    /// Gives up one use of a neighbor.
    pub fn unrefer(&mut self, neighbor: NeighborRef) {
        let entry = &mut self.places[usize::from(neighbor.0)];
        entry.users -= 1;
        if entry.users == 0 && !entry.listed {
            entry.listed = true;
            self.unused.push_back(neighbor.0);
        }
    }

    fn add(&mut self, route: Route, now: Ticks) -> Option<u16> {
        let entry = Neighbor {
            route,
            // Failed long ago: the first packet asks.
            state: State::Failed {
                since: Ticks(now.0.wrapping_sub(RETRY.0)),
            },
            waiting: 0,
            users: 0,
            listed: false,
        };
        let place = if self.places.len() < CAPACITY {
            self.places.push(entry);
            self.places.len() as u16 - 1
        } else {
            let place = self.take_unused()?;
            self.places[usize::from(place)] = entry;
            place
        };
        self.by_address.insert(route, place);
        Some(place)
    }

    /// Takes a place from an address that nobody uses.
    fn take_unused(&mut self) -> Option<u16> {
        for _ in 0..self.unused.len().min(SEARCH) {
            let place = self.unused.pop_front()?;
            let entry = &mut self.places[usize::from(place)];
            if entry.is_free() {
                let route = entry.route;
                self.by_address.remove(&route);
                return Some(place);
            }
            entry.listed = entry.users == 0;
            if entry.listed {
                // Packets still wait.
                self.unused.push_back(place);
            }
        }
        None
    }

    /// The interface by which this neighbor is reached.
    #[must_use]
    pub fn interface(&self, neighbor: NeighborRef) -> InterfaceIndex {
        self.places[usize::from(neighbor.0)].route.interface
    }

    /// The neighbor's Ethernet address. Asks for it if it is unknown or old.
    pub fn lookup(&mut self, neighbor: NeighborRef, now: Ticks) -> Lookup {
        let place = neighbor.0;
        let entry = &mut self.places[usize::from(place)];
        match &mut entry.state {
            State::Known {
                mac,
                confirmed,
                asked,
            } => {
                let mac = *mac;
                if now.since(*confirmed) >= REFRESH && now.since(*asked) >= RETRY {
                    *asked = now;
                    request(&mut self.requests, place);
                }
                Lookup::Known(mac)
            }
            State::Asking { .. } => Lookup::Unresolved,
            State::Failed { since } => {
                if now.since(*since) >= RETRY {
                    entry.state = State::Asking {
                        since: now,
                        attempts: 1,
                    };
                    self.asking.push(place);
                    request(&mut self.requests, place);
                }
                Lookup::Unresolved
            }
        }
    }

    /// Lets `frame` wait for the neighbor's address.
    ///
    /// # Errors
    /// Gives the frame back if too many wait, or the neighbor has failed.
    pub fn wait(&mut self, neighbor: NeighborRef, frame: F) -> Result<(), QueueFull<F>> {
        let entry = &mut self.places[usize::from(neighbor.0)];
        let asking = matches!(entry.state, State::Asking { .. });
        if !asking
            || usize::from(entry.waiting) == WAITING_EACH
            || self.waiting.len() == WAITING_ALL
        {
            return Err(QueueFull(frame));
        }
        entry.waiting += 1;
        self.waiting.push(Waiting {
            neighbor: neighbor.0,
            frame,
        });
        Ok(())
    }

    /// True if packets to this neighbor cannot be sent and will not wait.
    #[must_use]
    pub fn has_failed(&self, neighbor: NeighborRef) -> bool {
        matches!(
            self.places[usize::from(neighbor.0)].state,
            State::Failed { .. }
        )
    }

    /// Notes a neighbor's address, if this worker has a use for it, and gives the packets that
    /// waited for it, in order, to `send`.
    pub fn learn(
        &mut self,
        update: NeighborUpdate,
        now: Ticks,
        mut send: impl FnMut(InterfaceIndex, MacAddr, F),
    ) {
        let route = Route {
            interface: update.interface,
            next_hop: update.address,
        };
        let Some(&place) = self.by_address.get(&route) else {
            return;
        };
        let entry = &mut self.places[usize::from(place)];
        if matches!(entry.state, State::Asking { .. }) {
            self.asking.retain(|&asking| asking != place);
        }
        entry.state = State::Known {
            mac: update.mac,
            confirmed: now,
            asked: now,
        };
        self.release(place, |frame| send(update.interface, update.mac, frame));
    }

    fn release(&mut self, place: u16, mut give: impl FnMut(F)) {
        let entry = &mut self.places[usize::from(place)];
        if entry.waiting == 0 {
            return;
        }
        entry.waiting = 0;
        for waiting in self.waiting.extract_if(.., |w| w.neighbor == place) {
            give(waiting.frame);
        }
    }

    /// Asks again for those that have not answered, and gives the packets of those that have
    /// been asked often enough to `fail`.
    ///
    /// Looks once per tick of the clock, however often it is called.
    pub fn tick(&mut self, now: Ticks, mut fail: impl FnMut(F)) {
        if std::mem::replace(&mut self.ticked, now) == now {
            return;
        }
        let mut position = 0;
        while let Some(&place) = self.asking.get(position) {
            let entry = &mut self.places[usize::from(place)];
            match entry.state {
                State::Asking { since, attempts } if now.since(since) >= RETRY => {
                    if attempts < ATTEMPTS {
                        entry.state = State::Asking {
                            since: now,
                            attempts: attempts + 1,
                        };
                        request(&mut self.requests, place);
                        position += 1;
                    } else {
                        entry.state = State::Failed { since: now };
                        self.asking.swap_remove(position);
                        self.release(place, &mut fail);
                    }
                }
                _ => position += 1,
            }
        }
    }

    /// The next neighbor to send an ARP request for.
    pub fn next_request(&mut self) -> Option<Route> {
        let place = self.requests.pop()?;
        Some(self.places[usize::from(place)].route)
    }

    /// Number of packets that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Gives up all packets that wait.
    pub fn drain(&mut self, mut give: impl FnMut(F)) {
        for waiting in self.waiting.drain(..) {
            give(waiting.frame);
        }
        for entry in &mut self.places {
            entry.waiting = 0;
        }
    }
}

/// Notes a request to send. When no frames can be had for requests and their list is full, this one
/// is forgotten: it is made again as long as it is needed.
fn request(requests: &mut Vec<u16>, place: u16) {
    if requests.len() < CAPACITY {
        requests.push(place);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
    const ROUTE: Route = Route {
        interface: InterfaceIndex(0),
        next_hop: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)),
    };
    const UPDATE: NeighborUpdate = NeighborUpdate {
        interface: ROUTE.interface,
        address: ROUTE.next_hop,
        mac: MAC,
    };

    fn asked() -> (Neighbors<u32>, NeighborRef) {
        let mut neighbors = Neighbors::default();
        let neighbor = neighbors.refer(ROUTE, Ticks(0)).expect("there is room");
        assert_eq!(neighbors.lookup(neighbor, Ticks(0)), Lookup::Unresolved);
        assert_eq!(neighbors.next_request(), Some(ROUTE));
        (neighbors, neighbor)
    }

    #[test]
    fn packets_wait_and_leave_in_order() {
        let (mut neighbors, neighbor) = asked();
        for frame in 0..3 {
            assert_eq!(neighbors.lookup(neighbor, Ticks(1)), Lookup::Unresolved);
            neighbors.wait(neighbor, frame).expect("there is room");
        }
        assert_eq!(neighbors.next_request(), None, "one request is enough");
        let mut sent = vec![];
        neighbors.learn(UPDATE, Ticks(2), |interface, mac, frame| {
            sent.push((interface, mac, frame));
        });
        let expected: Vec<_> = (0..3).map(|frame| (ROUTE.interface, MAC, frame)).collect();
        assert_eq!(sent, expected);
        assert_eq!(neighbors.lookup(neighbor, Ticks(2)), Lookup::Known(MAC));
        assert_eq!(neighbors.waiting(), 0);
    }

    #[test]
    fn queues_are_bounded() {
        let (mut neighbors, neighbor) = asked();
        let taken = (0..)
            .take_while(|&f| neighbors.wait(neighbor, f).is_ok())
            .count();
        assert_eq!(taken, WAITING_EACH);
    }

    #[test]
    fn silence_fails_after_three_requests_and_is_asked_again_later() {
        let (mut neighbors, neighbor) = asked();
        neighbors.wait(neighbor, 7).expect("there is room");
        let mut failed = vec![];
        for now in 1..=30 {
            neighbors.tick(Ticks(now), |frame| failed.push((now, frame)));
        }
        assert_eq!(failed, [(30, 7)]);
        assert_eq!(std::iter::from_fn(|| neighbors.next_request()).count(), 2);
        assert!(neighbors.has_failed(neighbor) && neighbors.wait(neighbor, 8).is_err());
        assert_eq!(neighbors.lookup(neighbor, Ticks(39)), Lookup::Unresolved);
        assert_eq!(neighbors.next_request(), None);
        assert_eq!(neighbors.lookup(neighbor, Ticks(40)), Lookup::Unresolved);
        assert_eq!(neighbors.next_request(), Some(ROUTE));
    }

    #[test]
    fn old_knowledge_is_used_while_it_is_asked_for_again() {
        let (mut neighbors, neighbor) = asked();
        neighbors.learn(UPDATE, Ticks(5), |_, _, _| {});
        assert_eq!(neighbors.lookup(neighbor, Ticks(304)), Lookup::Known(MAC));
        assert_eq!(neighbors.next_request(), None);
        for now in [305, 306] {
            assert_eq!(neighbors.lookup(neighbor, Ticks(now)), Lookup::Known(MAC));
        }
        assert_eq!(neighbors.next_request(), Some(ROUTE));
        assert_eq!(neighbors.next_request(), None);
    }

    fn route(n: u32) -> Route {
        Route {
            next_hop: Ipv4Addr::from_bits(n).into(),
            ..ROUTE
        }
    }

    #[test]
    fn places_that_no_flow_uses_are_given_to_others() {
        let mut neighbors = Neighbors::<u32>::default();
        let kept = neighbors.refer(route(0), Ticks(0)).expect("there is room");
        for n in 1..20 * CAPACITY as u32 {
            let neighbor = neighbors.refer(route(n), Ticks(0)).expect("a free place");
            assert_ne!(neighbor, kept);
            assert_eq!(neighbors.lookup(neighbor, Ticks(0)), Lookup::Unresolved);
            assert_eq!(neighbors.next_request(), Some(route(n)));
            let update = NeighborUpdate {
                address: route(n).next_hop,
                ..UPDATE
            };
            neighbors.learn(update, Ticks(0), |_, _, _| {});
            neighbors.unrefer(neighbor);
        }
        assert_eq!(neighbors.refer(route(0), Ticks(0)), Some(kept));
    }

    #[test]
    fn requests_that_cannot_be_sent_do_not_pile_up() {
        let (mut neighbors, neighbor) = asked();
        neighbors.learn(UPDATE, Ticks(0), |_, _, _| {});
        for n in 0..2 * CAPACITY as u32 {
            neighbors.lookup(neighbor, Ticks(1000 + n * RETRY.0));
        }
        assert!(neighbors.requests.len() <= CAPACITY);
    }

    #[test]
    fn a_place_with_packets_that_wait_is_not_given_away() {
        let (mut neighbors, neighbor) = asked();
        neighbors.wait(neighbor, 7).expect("there is room");
        neighbors.unrefer(neighbor);
        for n in 0..CAPACITY as u32 - 1 {
            assert!(neighbors.refer(route(n), Ticks(0)).is_some());
        }
        assert_eq!(neighbors.refer(route(1 << 31), Ticks(0)), None);
        let mut failed = vec![];
        for now in 1..=30 {
            neighbors.tick(Ticks(now), |frame| failed.push(frame));
        }
        assert_eq!(failed, [7]);
        assert_eq!(neighbors.refer(route(1 << 31), Ticks(30)), Some(neighbor));
    }

    #[test]
    fn a_place_that_is_used_again_is_kept() {
        let (mut neighbors, neighbor) = asked();
        neighbors.learn(UPDATE, Ticks(1), |_, _, _| {});
        neighbors.unrefer(neighbor);
        assert_eq!(neighbors.refer(ROUTE, Ticks(2)), Some(neighbor));
        assert_eq!(neighbors.lookup(neighbor, Ticks(2)), Lookup::Known(MAC));
        for n in 0..CAPACITY as u32 - 1 {
            assert!(neighbors.refer(route(n), Ticks(2)).is_some());
        }
        assert_eq!(neighbors.refer(route(1 << 31), Ticks(2)), None);
    }

    #[test]
    fn strangers_are_not_learned_and_the_table_is_bounded() {
        let mut neighbors = Neighbors::<()>::default();
        neighbors.learn(UPDATE, Ticks(0), |_, _, ()| {});
        for n in 0..CAPACITY as u32 {
            assert!(neighbors.refer(route(n), Ticks(0)).is_some());
        }
        assert_eq!(neighbors.refer(ROUTE, Ticks(0)), None);
    }
}
