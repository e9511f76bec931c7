//! Which backend a client had last, for services whose clients should come back to the same one.
//!
//! Maglev and the flow table keep a connection at its backend; this keeps a client there, whatever
//! its ports and however the backends change, as long as it comes again in time. A worker remembers
//! a fixed number of clients: each has eight possible places, and takes that of the client that has
//! not come for the longest time. Nothing here knows whether a backend still takes new flows.

use super::hash::{Seed, fold};
use super::key::Address;
use crate::clock::{TickSpan, Ticks};
use crate::table::{BackendSlot, Epoch, ServiceSlot};

/// Places that a client may have.
const WAYS: usize = 8;

/// A backend of those that have had its slot.
pub type Occupant = (BackendSlot, Epoch);

#[derive(Clone, Copy, Debug)]
struct Entry<A> {
    client: A,
    service: ServiceSlot,
    backend: Occupant,
    used: Ticks,
}

/// The clients that one worker remembers, of one address family.
#[derive(Debug)]
pub struct Affinity<A> {
    buckets: Box<[[Option<Entry<A>>; WAYS]]>,
    seed: Seed,
}

impl<A: Address> Affinity<A> {
    /// A table with at least this many places, all of it allocated now. Filled to a quarter, it has
    /// forgotten one client in several thousand for want of a place.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let buckets = capacity.div_ceil(WAYS).next_power_of_two();
        Self {
            buckets: vec![[None; WAYS]; buckets].into_boxed_slice(),
            seed: Seed::random(),
        }
    }

    /// The backend that this client had last, if it came less than `timeout` ago.
    #[must_use]
    pub fn lookup(
        &self,
        service: ServiceSlot,
        client: A,
        timeout: TickSpan,
        now: Ticks,
    ) -> Option<Occupant> {
        let entries = self.buckets[self.bucket_of(service, client)]
            .iter()
            .flatten();
        let mut its = entries.filter(|entry| entry.is_of(service, client));
        let entry = its.find(|entry| now.since(entry.used) < timeout)?;
        Some(entry.backend)
    }

    /// Remembers that this client has this backend now. It counts as having come.
    pub fn remember(&mut self, service: ServiceSlot, client: A, backend: Occupant, now: Ticks) {
        let entry = Entry {
            client,
            service,
            backend,
            used: now,
        };
        // Its own place, else an empty one, else the one that was used the longest ago.
        let rank = |place: &Option<Entry<A>>| match place {
            Some(entry) if entry.is_of(service, client) => (0, TickSpan(0)),
            None => (1, TickSpan(0)),
            Some(entry) => (2, TickSpan(u32::MAX - now.since(entry.used).0)),
        };
        let bucket = self.bucket_of(service, client);
        let places = self.buckets[bucket].iter_mut();
        if let Some(place) = places.min_by_key(|place| rank(place)) {
            *place = Some(entry);
        }
    }

    fn bucket_of(&self, service: ServiceSlot, client: A) -> usize {
        let client = A::mix(client, A::UNSPECIFIED, self.seed);
        let hash = fold(client ^ self.seed.0[0], self.seed.0[1]);
        let hash = fold(hash ^ u64::from(service.0), self.seed.0[0]);
        let mask = self.buckets.len() - 1;
        hash as usize & mask
    }
}

impl<A: Address> Entry<A> {
    fn is_of(&self, service: ServiceSlot, client: A) -> bool {
        self.client == client && self.service == service
    }
}

#[cfg(test)]
mod tests;
