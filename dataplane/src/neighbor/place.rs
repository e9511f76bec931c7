//! Places for neighbors: who has one, who uses it, and who gets it next.
//!
//! A place is given to another address only when nobody uses it and no packet waits. Each role has
//! places that the other cannot take; the rest goes to whoever comes first.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::Role;
use super::queue::{Queue, Standing};
use super::state::State;
use crate::flow::hash::KeyHasher;
use crate::network::Route;

/// Neighbors that a worker knows at most.
pub const CAPACITY: usize = 4096;
/// Places that clients cannot take from infrastructure.
pub const INFRASTRUCTURE_PLACES: usize = 2048;
/// Places that infrastructure cannot take from clients.
pub const CLIENT_PLACES: usize = 1024;
/// Places that are looked at for one that is free. Bounds the time that a new flow takes.
const SEARCH: usize = 64;

/// Refers to a neighbor of one worker. Valid until [`super::Neighbors::unrefer`], and as long as a
/// frame waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighborRef(pub(super) u16);

/// One neighbor. A cache line of its own: a packet to it touches no other.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Place {
    pub(super) state: State,
    pub(super) route: Route,
    pub(super) waiting: Queue,
    /// Referred to by this many flows.
    pub(super) users: u32,
    pub(super) role: Role,
    /// It has answered once.
    pub(super) answered: bool,
    /// In the list of those whose time may come.
    pub(super) timed: bool,
    /// In the queue of requests of this role.
    pub(super) queued: Option<Role>,
    /// In the list of unused places of this role, which it may have left.
    listed: Option<Role>,
}

const _: () = assert!(size_of::<Place>() == 64);

impl Place {
    pub(super) fn standing(&self) -> Standing {
        match self.role {
            Role::Client if !self.answered => Standing::Unproven,
            _ => Standing::Proven,
        }
    }

    const fn is_free(&self) -> bool {
        self.users == 0 && self.waiting.len() == 0
    }
}

/// The places of one role.
#[derive(Debug)]
struct Share {
    /// Places that have this role.
    taken: usize,
    /// Places that are kept for it.
    kept: usize,
    /// Places that lost their last user, the longest ago first; some are in use again.
    unused: VecDeque<u16>,
}

impl Share {
    fn new(kept: usize) -> Self {
        Self {
            taken: 0,
            kept,
            unused: VecDeque::with_capacity(CAPACITY),
        }
    }
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    by_address: HashMap<Route, u16, KeyHasher>,
    infrastructure: Share,
    clients: Share,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::with_capacity(CAPACITY),
            // Twice what it holds: with room to spare, a map whose keys change makes room for
            // new ones within its own memory.
            by_address: HashMap::with_capacity_and_hasher(2 * CAPACITY, KeyHasher::default()),
            infrastructure: Share::new(INFRASTRUCTURE_PLACES),
            clients: Share::new(CLIENT_PLACES),
        }
    }

    pub(super) fn find(&self, route: Route) -> Option<u16> {
        self.by_address.get(&route).copied()
    }

    #[inline]
    pub(super) fn get(&self, place: u16) -> &Place {
        &self.places[usize::from(place)]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u16) -> &mut Place {
        &mut self.places[usize::from(place)]
    }

    /// True if [`Self::add`] may find a place for this role: there is one that nobody has, or that
    /// nobody uses.
    pub(super) fn has_room(&self, role: Role) -> bool {
        let (other, kept) = match role {
            Role::Infrastructure => (Role::Client, self.clients.kept),
            Role::Client => (Role::Infrastructure, self.infrastructure.kept),
        };
        let count = |role| self.iter().filter(|place| place.role == role).count();
        let (left, taken) = (CAPACITY - self.places.len(), count(other));
        let is_free = |of: Role| self.iter().any(|place| place.role == of && place.is_free());
        left > kept.saturating_sub(taken) || is_free(role) || (taken > kept && is_free(other))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    pub(super) fn numbers(&self) -> std::ops::Range<u16> {
        0..self.places.len() as u16
    }

    fn share(&mut self, role: Role) -> &mut Share {
        match role {
            Role::Infrastructure => &mut self.infrastructure,
            Role::Client => &mut self.clients,
        }
    }

    /// Gives up one use of a place.
    pub(super) fn unrefer(&mut self, place: u16) {
        let entry = self.get_mut(place);
        entry.users -= 1;
        if entry.users == 0 && entry.listed.is_none() {
            let role = entry.role;
            entry.listed = Some(role);
            self.share(role).unused.push_back(place);
        }
    }

    /// A client's next hop turns out to be a backend or a gateway.
    pub(super) fn promote(&mut self, place: u16) {
        self.get_mut(place).role = Role::Infrastructure;
        self.clients.taken -= 1;
        self.infrastructure.taken += 1;
    }

    /// Gives a place to a route that has none. `None` if there is none for this role.
    pub(super) fn add(&mut self, route: Route, role: Role) -> Option<u16> {
        let place = self.find_place(role)?;
        let fresh = Place {
            state: State::New,
            route,
            waiting: Queue::default(),
            users: 0,
            role,
            answered: false,
            timed: false,
            queued: None,
            listed: None,
        };
        if usize::from(place) == self.places.len() {
            self.places.push(fresh);
        } else {
            let old = *self.get(place);
            self.by_address.remove(&old.route);
            self.share(old.role).taken -= 1;
            // The lists that the place is in do not know of the change.
            *self.get_mut(place) = Place {
                timed: old.timed,
                queued: old.queued,
                ..fresh
            };
        }
        self.share(role).taken += 1;
        self.by_address.insert(route, place);
        Some(place)
    }

    /// A place that nobody has, else one of this role's, else one of the other's, that nobody uses.
    fn find_place(&mut self, role: Role) -> Option<u16> {
        let other = match role {
            Role::Infrastructure => Role::Client,
            Role::Client => Role::Infrastructure,
        };
        let Share { taken, kept, .. } = *self.share(other);
        let left = CAPACITY - self.places.len();
        if left > kept.saturating_sub(taken) {
            return Some(self.places.len() as u16);
        }
        let own = self.take_unused(role);
        own.or_else(|| (taken > kept).then(|| self.take_unused(other))?)
    }

    /// Takes a place from the list of unused ones of `role`, if one of the first is free.
    fn take_unused(&mut self, role: Role) -> Option<u16> {
        for _ in 0..self.share(role).unused.len().min(SEARCH) {
            let place = self.share(role).unused.pop_front()?;
            let entry = self.get_mut(place);
            entry.listed = None;
            if entry.role == role && entry.is_free() {
                return Some(place);
            }
            if entry.users == 0 {
                // Packets still wait, or it has another role now.
                let role = entry.role;
                entry.listed = Some(role);
                self.share(role).unused.push_back(place);
            }
        }
        None
    }
}
