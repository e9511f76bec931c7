//! The neighbors of one worker: their states, and the packets that wait for them.

use std::net::IpAddr;

use super::place::{NeighborRef, Place, Places};
use super::queue::{Pool, QueueFull};
use super::request::{Request, Requests};
use super::state::{Due, State};
use super::{CAPACITY, Claim, Lookup, NeighborState, NeighborUpdate, Role};
use crate::clock::{TickSpan, Ticks};
use crate::network::{InterfaceIndex, Network, Route};
use crate::wire::MacAddr;

/// A static entry cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaticError {
    /// No packet can be sent there.
    #[error(
        "neighbor {address}: {mac} is not the Ethernet address of another station; \
         give the neighbor's own unicast address"
    )]
    NotAStation {
        /// The neighbor.
        address: IpAddr,
        /// Its supposed Ethernet address.
        mac: MacAddr,
    },
    /// The table has no room.
    #[error("neighbor {address}: more than {CAPACITY} neighbors; give fewer static ones")]
    Full {
        /// The neighbor.
        address: IpAddr,
    },
}

/// A neighbor as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborEntry {
    /// Its interface and address.
    pub route: Route,
    /// Why Viaduct has it.
    pub role: Role,
    /// What is known of it.
    pub state: NeighborState,
    /// Where packets for it go now.
    pub mac: Option<MacAddr>,
    /// Time since it was confirmed; without an address, since it was first asked or has failed.
    pub age: TickSpan,
    /// Packets that wait for its address.
    pub waiting: u16,
    /// Flows that use it, and one more for a gateway or a static entry.
    pub users: u32,
}

/// What would become of a packet for a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// It is sent to this address.
    Sent(MacAddr),
    /// It waits, if not too many do, and the neighbor is asked.
    Waits,
    /// The neighbor has failed, and it is too early to ask again.
    Failed,
    /// There is no place for another neighbor.
    NoRoom,
}

/// The neighbors of one worker.
#[derive(Debug)]
pub struct Neighbors<F> {
    places: Places,
    pool: Pool<F>,
    requests: Requests,
    /// Places that are being asked; some no longer are.
    timed: Vec<u16>,
    /// When those were looked at last.
    ticked: Ticks,
    /// Ethernet addresses that nobody else may claim.
    own: Vec<MacAddr>,
}

impl<F> Neighbors<F> {
    /// A table that knows of nobody but that there are gateways.
    ///
    /// Allocates all memory that it will ever use.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let mut neighbors = Self {
            places: Places::new(),
            pool: Pool::new(),
            requests: Requests::new(),
            timed: Vec::with_capacity(CAPACITY),
            ticked: Ticks::default(),
            own: network.interfaces.iter().map(|i| i.mac).collect(),
        };
        for (index, interface) in (0..).zip(&network.interfaces) {
            let ipv4 = interface.ipv4.and_then(|at| at.gateway).map(IpAddr::from);
            let ipv6 = interface.ipv6.and_then(|at| at.gateway).map(IpAddr::from);
            for next_hop in [ipv4, ipv6].into_iter().flatten() {
                let interface = InterfaceIndex(index);
                // For ever in use; 512 at most, for which there is room.
                let _ = neighbors.refer(
                    Route {
                        interface,
                        next_hop,
                    },
                    Role::Infrastructure,
                );
            }
        }
        neighbors
    }

    /// Gives a neighbor the address that it has for ever, whatever is heard. For the start,
    /// before a packet waits.
    ///
    /// # Errors
    /// If no other station can have `mac`, or there are too many neighbors.
    pub fn add_static(
        &mut self,
        interface: InterfaceIndex,
        address: IpAddr,
        mac: MacAddr,
    ) -> Result<(), StaticError> {
        if !self.may_learn(mac) {
            return Err(StaticError::NotAStation { address, mac });
        }
        let route = Route {
            interface,
            next_hop: address,
        };
        let neighbor = self
            .refer(route, Role::Infrastructure)
            .ok_or(StaticError::Full { address })?;
        // In use for ever, so that its place is not given away.
        self.places.get_mut(neighbor.0).state = State::Static { mac };
        Ok(())
    }

    /// The neighbor of this route, with one more user; `None` if the table is full for this role.
    pub fn refer(&mut self, route: Route, role: Role) -> Option<NeighborRef> {
        let place = match self.places.find(route) {
            Some(place) => place,
            None => self.places.add(route, role)?,
        };
        if role == Role::Infrastructure && self.places.get(place).role == Role::Client {
            self.promote(place);
        }
        self.places.get_mut(place).users += 1;
        Some(NeighborRef(place))
    }

    /// A flood must not hold up a backend whose address it has used first.
    fn promote(&mut self, place: u16) {
        let entry = self.places.get(place);
        let (waits_unproven, queued) = (!entry.answered, entry.queued.is_some());
        if waits_unproven {
            self.pool.promote(&entry.waiting);
        }
        self.places.promote(place);
        if queued {
            self.request(place);
        }
    }

    /// Gives up one use of a neighbor.
    pub fn unrefer(&mut self, neighbor: NeighborRef) {
        self.places.unrefer(neighbor.0);
    }

    /// The interface by which this neighbor is reached.
    #[inline]
    #[must_use]
    pub fn interface(&self, neighbor: NeighborRef) -> InterfaceIndex {
        self.places.get(neighbor.0).route.interface
    }

    /// The neighbor's Ethernet address. Has it asked for if it is unknown or old.
    #[inline]
    pub fn lookup(&mut self, neighbor: NeighborRef, now: Ticks) -> Lookup {
        let state = &self.places.get(neighbor.0).state;
        let found = state.mac();
        if let Some(asked) = state.on_use(now) {
            self.begin(neighbor.0, asked);
        }
        found.map_or(Lookup::Unresolved, Lookup::Known)
    }

    #[cold]
    fn begin(&mut self, place: u16, asked: State) {
        let entry = self.places.get_mut(place);
        entry.state = asked;
        if !std::mem::replace(&mut entry.timed, true) {
            self.timed.push(place);
        }
        self.request(place);
    }

    /// Queues a request, once.
    fn request(&mut self, place: u16) {
        let entry = self.places.get_mut(place);
        if entry.queued != Some(entry.role) && self.requests.push(place, entry.role) {
            entry.queued = Some(entry.role);
        }
    }

    /// Lets `frame` wait for the neighbor's address.
    ///
    /// # Errors
    /// Gives the frame back if too many wait, or the neighbor has failed.
    pub fn wait(&mut self, neighbor: NeighborRef, frame: F) -> Result<(), QueueFull<F>> {
        let entry = self.places.get_mut(neighbor.0);
        if !matches!(entry.state, State::Incomplete { .. }) {
            return Err(QueueFull(frame));
        }
        let standing = entry.standing();
        self.pool.push(&mut entry.waiting, standing, frame)
    }

    /// True if packets to this neighbor cannot be sent and will not wait.
    #[must_use]
    pub fn has_failed(&self, neighbor: NeighborRef) -> bool {
        matches!(self.places.get(neighbor.0).state, State::Failed { .. })
    }

    /// True for the address of a station that is not one of our interfaces.
    fn may_learn(&self, mac: MacAddr) -> bool {
        !mac.is_group() && mac != MacAddr::ZERO && !self.own.contains(&mac)
    }

    /// Notes a neighbor's address, if this worker has a use for it, and gives the packets that
    /// waited for it, in order and at most [`super::WAITING_EACH`], to `send`.
    ///
    /// A claim to one of our own Ethernet addresses, or to a group's, is ignored.
    pub fn learn(
        &mut self,
        update: NeighborUpdate,
        now: Ticks,
        mut send: impl FnMut(InterfaceIndex, MacAddr, F),
    ) {
        let confirms_only =
            update.mac == MacAddr::ZERO && matches!(update.claim, Claim::Advertisement { .. });
        if !confirms_only && !self.may_learn(update.mac) {
            return;
        }
        let route = Route {
            interface: update.interface,
            next_hop: update.address,
        };
        let Some(place) = self.places.find(route) else {
            return;
        };
        let entry = self.places.get_mut(place);
        entry.state = entry.state.on_claim(update.mac, update.claim, now);
        if let Some(mac) = entry.state.mac() {
            self.release(place, |frame| send(update.interface, mac, frame));
            self.places.get_mut(place).answered = true;
        }
    }

    fn release(&mut self, place: u16, give: impl FnMut(F)) {
        let entry = self.places.get_mut(place);
        let standing = entry.standing();
        self.pool.release(&mut entry.waiting, standing, give);
    }

    /// Asks again those that have not answered, and gives the packets of those that have been
    /// asked often enough to `fail`.
    ///
    /// Looks once per tick of the clock, however often it is called.
    pub fn tick(&mut self, now: Ticks, mut fail: impl FnMut(F)) {
        if std::mem::replace(&mut self.ticked, now) == now {
            return;
        }
        self.requests.replenish();
        let mut position = 0;
        while let Some(&place) = self.timed.get(position) {
            let due = self.places.get(place).state.due(now);
            match due {
                Due::Later => {}
                Due::Ask => self.request(place),
                Due::Fail => {
                    self.places.get_mut(place).state = State::Failed { since: now };
                    self.release(place, &mut fail);
                }
                Due::Never => {}
            }
            if matches!(due, Due::Never | Due::Fail) {
                self.places.get_mut(place).timed = false;
                self.timed.swap_remove(position);
            } else {
                position += 1;
            }
        }
    }

    /// The next neighbor to ask, as far as this tick's budget goes. It counts as asked.
    pub fn next_request(&mut self, now: Ticks) -> Option<Request> {
        let places = &mut self.places;
        self.requests.pop(|place, role| {
            let entry = places.get_mut(place);
            if entry.queued != Some(role) {
                // It is in the other queue, too.
                return None;
            }
            entry.queued = None;
            let unicast = entry.state.ask(now)?;
            Some(Request {
                route: entry.route,
                unicast,
            })
        })
    }

    /// What [`Self::lookup`] and [`Self::wait`] would do now with a packet for this route, and what
    /// is known of the neighbor. Nobody is asked.
    #[must_use]
    pub fn foresee(
        &self,
        route: Route,
        role: Role,
        now: Ticks,
    ) -> (Foreseen, Option<NeighborEntry>) {
        let Some(place) = self.places.find(route) else {
            let foreseen = match self.places.has_room(role) {
                true => Foreseen::Waits,
                false => Foreseen::NoRoom,
            };
            return (foreseen, None);
        };
        let place = self.places.get(place);
        let used = place.state.on_use(now).unwrap_or(place.state);
        let foreseen = match (place.state.mac(), used) {
            (Some(mac), _) => Foreseen::Sent(mac),
            (None, State::Incomplete { .. }) => Foreseen::Waits,
            (None, _) => Foreseen::Failed,
        };
        (foreseen, Some(describe(place, now)))
    }

    /// The route of this neighbor.
    #[must_use]
    pub fn route(&self, neighbor: NeighborRef) -> Route {
        self.places.get(neighbor.0).route
    }

    /// Number of packets that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.len()
    }

    /// Gives up all packets that wait.
    pub fn drain(&mut self, mut give: impl FnMut(F)) {
        for place in self.places.numbers() {
            self.release(place, &mut give);
        }
    }

    /// The neighbors from number `first` on, in the order of their places, for operators. There
    /// are [`CAPACITY`] at most; a worker copies some of them in each turn.
    pub fn entries(&self, first: usize, now: Ticks) -> impl Iterator<Item = NeighborEntry> + '_ {
        let places = self.places.iter().skip(first);
        places.map(move |place| describe(place, now))
    }
}

fn describe(place: &Place, now: Ticks) -> NeighborEntry {
    let (state, age) = place.state.describe(now);
    NeighborEntry {
        route: place.route,
        role: place.role,
        state,
        mac: place.state.mac(),
        age,
        waiting: place.waiting.len(),
        users: place.users,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{route, table};
    use super::*;

    #[test]
    fn addresses_that_come_and_go_leave_nothing_behind() {
        let mut neighbors = table::<()>();
        let clients = 4 * CAPACITY as u32;
        for n in 0..clients {
            let client = neighbors.refer(route(n), Role::Client);
            let client = client.expect("unused places are given again");
            neighbors.lookup(client, Ticks(0));
            neighbors.unrefer(client);
        }
        let places = neighbors.places.iter().count();
        assert!(neighbors.timed.len() < places && places <= CAPACITY);
        assert!(neighbors.requests.len() < places);
    }
}
