//! Which address each named VIP has.
//!
//! A name gets the address that it has in DC/OS (see [`super::address`]), or the next free one
//! if two names want the same. It keeps it while it is present, and gets it back when it
//! returns, unless another name has it by then. The allocator owns the map of held addresses
//! and nothing else: it reads no source, publishes nothing, and never fails as a whole.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::pool::{Pool, PoolAddress};
use crate::desired::Problem;

/// The name under which the allocator reports problems.
const SOURCE: &str = "allocator";
/// Names that are gone and still remembered, whatever their address, before the ones that
/// hashing alone would most likely bring back to theirs are forgotten. Bounds the memory that
/// years of short-lived names can take.
const REMEMBERED: usize = 65_536;

/// Addresses of names. No address belongs to two names, so it is never larger than the pool.
pub type Held<A = Ipv4Addr> = BTreeMap<String, A>;

/// The outcome of one reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation<A = Ipv4Addr> {
    /// The address of every name that has one.
    pub addresses: BTreeMap<String, A>,
    /// Names that got no address, or another one than they had. Sorted.
    pub problems: Vec<Problem>,
}

impl<A> Default for Allocation<A> {
    fn default() -> Self {
        Self {
            addresses: BTreeMap::new(),
            problems: Vec::new(),
        }
    }
}

/// Gives addresses of one pool to names.
#[derive(Clone, Debug)]
pub struct Allocator<A = Ipv4Addr> {
    pool: Pool<A>,
    /// Addresses of the names of the last call, and of names that are gone.
    held: Held<A>,
    /// Names that had to move, and the reserved address that each had before.
    displaced: Held<A>,
}

impl<A: PoolAddress> Allocator<A> {
    /// An allocator that holds nothing.
    #[must_use]
    pub fn new(pool: Pool<A>) -> Self {
        Self::restore(pool, Held::new())
    }

    /// An allocator that goes on from what another one held. Addresses outside the pool, and
    /// all but the first name of those that share an address, are forgotten.
    #[must_use]
    pub fn restore(pool: Pool<A>, mut held: Held<A>) -> Self {
        let mut seen = HashSet::new();
        held.retain(|_, address| pool.contains(*address) && seen.insert(*address));
        Self {
            pool,
            held,
            displaced: Held::new(),
        }
    }

    /// The addresses to hand to [`Self::restore`] later.
    #[must_use]
    pub fn held(&self) -> &Held<A> {
        &self.held
    }

    /// Gives an address to each of `names` and none of `reserved` to any.
    ///
    /// Names that are new get theirs in sorted order, so that the outcome depends on what was
    /// held before and on the set of names, not on the order in which they were found. A
    /// name whose address has become reserved moves, and a problem says so for as long as that
    /// address stays reserved.
    pub fn reconcile(&mut self, names: &BTreeSet<String>, reserved: &BTreeSet<A>) -> Allocation<A> {
        let mut round = Round::new(self.pool, reserved);
        self.displace(names, reserved);
        for name in names {
            round.keep(name, self.held.get(name).copied());
        }
        for name in names {
            round.find(name);
        }
        self.remember(&round);
        self.report_moves(&mut round);
        round.finish()
    }

    /// Notes whose address has become reserved, and forgets the moves that are over.
    fn displace(&mut self, names: &BTreeSet<String>, reserved: &BTreeSet<A>) {
        self.displaced
            .retain(|name, address| names.contains(name) && reserved.contains(address));
        let lost = names
            .iter()
            .filter_map(|name| Some((name, *self.held.get(name)?)));
        for (name, address) in lost.filter(|(_, address)| reserved.contains(address)) {
            self.displaced.insert(name.clone(), address);
        }
    }

    /// Makes what is held follow from a round: present names as given, absent ones while
    /// nobody else has their address.
    fn remember(&mut self, round: &Round<'_, A>) {
        let (pool, given) = (self.pool, &round.outcome.addresses);
        self.held
            .retain(|_, address| !round.taken.contains(address));
        if self.held.len() > REMEMBERED {
            self.held
                .retain(|name, address| *address != pool.wanted(name));
        }
        self.held
            .extend(given.iter().map(|(name, address)| (name.clone(), *address)));
    }

    fn report_moves(&self, round: &mut Round<'_, A>) {
        for (name, old) in &self.displaced {
            if let Some(new) = round.outcome.addresses.get(name) {
                let reason = format!(
                    "{old} is reserved (an IP VIP or an address of this host uses it), so the name moved to {new}; \
                     use addresses outside the pool {} for anything but named VIPs",
                    self.pool
                );
                round.report(name, reason);
            }
        }
    }
}

/// The allocators of both families.
#[derive(Clone, Debug)]
pub struct Allocators {
    /// Of names with IPv4 backends, or none.
    pub ipv4: Allocator<Ipv4Addr>,
    /// Of names with IPv6 backends.
    pub ipv6: Allocator<Ipv6Addr>,
}

/// One reconciliation under way.
struct Round<'a, A> {
    pool: Pool<A>,
    reserved: &'a BTreeSet<A>,
    /// Addresses in `reserved` that are in the pool.
    reserved_in_pool: u128,
    taken: HashSet<A>,
    outcome: Allocation<A>,
}

impl<'a, A: PoolAddress> Round<'a, A> {
    fn new(pool: Pool<A>, reserved: &'a BTreeSet<A>) -> Self {
        let inside = reserved.range(pool.first()..=pool.last()).count();
        Self {
            pool,
            reserved,
            reserved_in_pool: inside as u128,
            taken: HashSet::new(),
            outcome: Allocation::default(),
        }
    }

    /// Gives `name` the address that it held, if it may still have it.
    fn keep(&mut self, name: &str, held: Option<A>) {
        if let Some(address) = held.filter(|address| self.is_free(*address)) {
            self.give(name, address);
        }
    }

    /// Gives `name` the first free address from the one it wants, unless it has one already.
    fn find(&mut self, name: &str) {
        if self.outcome.addresses.contains_key(name) {
            return;
        }
        match self.first_free(name) {
            Some(address) => self.give(name, address),
            None => self.report(name, self.exhausted()),
        }
    }

    fn first_free(&self, name: &str) -> Option<A> {
        let used = self.taken.len() as u128;
        if used.saturating_add(self.reserved_in_pool) >= self.pool.size() {
            return None;
        }
        self.pool
            .from(self.pool.wanted(name))
            .find(|address| self.is_free(*address))
    }

    fn is_free(&self, address: A) -> bool {
        !self.taken.contains(&address) && !self.reserved.contains(&address)
    }

    fn give(&mut self, name: &str, address: A) {
        self.taken.insert(address);
        self.outcome.addresses.insert(name.to_owned(), address);
    }

    fn exhausted(&self) -> String {
        format!(
            "no address is left: the pool {} has {}, {} of them reserved; widen `{}` or remove names",
            self.pool,
            self.pool.size(),
            self.reserved_in_pool,
            A::KEY
        )
    }

    fn report(&mut self, name: &str, reason: String) {
        self.outcome.problems.push(Problem {
            source: SOURCE.to_owned(),
            subject: name.to_owned(),
            port_index: None,
            label: A::KEY.to_owned(),
            reason,
        });
    }

    fn finish(mut self) -> Allocation<A> {
        self.outcome.problems.sort();
        self.outcome
    }
}

#[cfg(test)]
mod tests;
