//! Which address each named VIP has.
//!
//! A name gets the address that it has in DC/OS (see [`super::address`]), or the next free one
//! if two names want the same. It keeps it while it is present, and gets it back when it
//! returns, unless another name has it by then. The allocator owns the map of held addresses
//! and nothing else: it reads no source, publishes nothing, and never fails as a whole.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::Ipv4Addr;

use super::pool::Pool;
use crate::desired::Problem;

/// The name under which the allocator reports problems.
const SOURCE: &str = "allocator";
/// Names that are gone and still remembered, whatever their address, before the ones that
/// hashing alone would most likely bring back to theirs are forgotten. Bounds the memory that
/// years of short-lived names can take.
const REMEMBERED: usize = 65_536;

/// Addresses of names. No address belongs to two names, so it is never larger than the pool.
pub type Held = BTreeMap<String, Ipv4Addr>;

/// The outcome of one reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// The address of every name that has one.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Names that got no address, or another one than they had. Sorted.
    pub problems: Vec<Problem>,
}

/// Gives addresses of one pool to names.
#[derive(Clone, Debug)]
pub struct Allocator {
    pool: Pool,
    /// Addresses of the names of the last call, and of names that are gone.
    held: Held,
    /// Names that had to move, and the reserved address that each had before.
    displaced: Held,
}

impl Allocator {
    /// An allocator that holds nothing.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self::restore(pool, Held::new())
    }

    /// An allocator that goes on from what another one held. Addresses outside the pool, and
    /// all but the first name of those that share an address, are forgotten.
    #[must_use]
    pub fn restore(pool: Pool, mut held: Held) -> Self {
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
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Gives an address to each of `names` and none of `reserved` to any.
    ///
    /// Names that are new get theirs in sorted order, so that the outcome depends on what was
    /// held before and on the set of names, not on the order in which they were found. A
    /// name whose address has become reserved moves, and a problem says so for as long as that
    /// address stays reserved.
    pub fn reconcile(
        &mut self,
        names: &BTreeSet<String>,
        reserved: &BTreeSet<Ipv4Addr>,
    ) -> Allocation {
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
    fn displace(&mut self, names: &BTreeSet<String>, reserved: &BTreeSet<Ipv4Addr>) {
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
    fn remember(&mut self, round: &Round<'_>) {
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

    fn report_moves(&self, round: &mut Round<'_>) {
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

/// One reconciliation under way.
struct Round<'a> {
    pool: Pool,
    reserved: &'a BTreeSet<Ipv4Addr>,
    /// Addresses in `reserved` that are in the pool.
    reserved_in_pool: u64,
    taken: HashSet<Ipv4Addr>,
    outcome: Allocation,
}

impl<'a> Round<'a> {
    fn new(pool: Pool, reserved: &'a BTreeSet<Ipv4Addr>) -> Self {
        let inside = reserved.range(pool.first()..=pool.last()).count();
        Self {
            pool,
            reserved,
            reserved_in_pool: u64::try_from(inside).unwrap_or(u64::MAX),
            taken: HashSet::new(),
            outcome: Allocation::default(),
        }
    }

    /// Gives `name` the address that it held, if it may still have it.
    fn keep(&mut self, name: &str, held: Option<Ipv4Addr>) {
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

    fn first_free(&self, name: &str) -> Option<Ipv4Addr> {
        let used = u64::try_from(self.taken.len()).unwrap_or(u64::MAX);
        if used.saturating_add(self.reserved_in_pool) >= self.pool.size() {
            return None;
        }
        self.pool
            .from(self.pool.wanted(name))
            .find(|address| self.is_free(*address))
    }

    fn is_free(&self, address: Ipv4Addr) -> bool {
        !self.taken.contains(&address) && !self.reserved.contains(&address)
    }

    fn give(&mut self, name: &str, address: Ipv4Addr) {
        self.taken.insert(address);
        self.outcome.addresses.insert(name.to_owned(), address);
    }

    fn exhausted(&self) -> String {
        format!(
            "no address is left: the pool {} has {}, {} of them reserved; widen `vips.pool` or remove names",
            self.pool,
            self.pool.size(),
            self.reserved_in_pool
        )
    }

    fn report(&mut self, name: &str, reason: String) {
        self.outcome.problems.push(Problem {
            source: SOURCE.to_owned(),
            subject: name.to_owned(),
            port_index: None,
            label: "vips.pool".to_owned(),
            reason,
        });
    }

    fn finish(mut self) -> Allocation {
        self.outcome.problems.sort();
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::vip::vectors::vectors;

    fn pool(text: &str) -> Pool {
        text.parse().expect("a pool")
    }

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        names.into_iter().map(str::to_owned).collect()
    }

    fn none() -> BTreeSet<Ipv4Addr> {
        BTreeSet::new()
    }

    #[test]
    fn addresses_are_those_of_dcos() {
        let cases = vectors().addresses;
        let wanted = cases.iter().map(|case| case.normalised.as_str());
        let allocation = Allocator::new(pool("11.0.0.0/8")).reconcile(&names(wanted), &none());
        for case in &cases {
            assert_eq!(
                allocation.addresses[&case.normalised],
                v4(&case.ipv4_installed)
            );
        }
        assert_eq!(allocation.problems, []);
    }

    // In this pool `broker.devkafka` and `web.marathon` both want 11.0.0.67.
    const SMALL: &str = "11.0.0.0-11.0.0.254";

    #[test]
    fn of_two_new_names_the_first_in_order_gets_what_both_want() {
        let mut allocator = Allocator::new(pool(SMALL));
        let got = allocator
            .reconcile(&names(["web.marathon", "broker.devkafka"]), &none())
            .addresses;
        assert_eq!(got["broker.devkafka"], v4("11.0.0.67"));
        assert_eq!(got["web.marathon"], v4("11.0.0.68"));
    }

    #[test]
    fn a_probed_address_is_remembered_while_its_name_is_gone() {
        let mut allocator = Allocator::new(pool(SMALL));
        allocator.reconcile(&names(["web.marathon", "broker.devkafka"]), &none());
        allocator.reconcile(&names([]), &none());
        let got = allocator
            .reconcile(&names(["web.marathon"]), &none())
            .addresses;
        assert_eq!(got["web.marathon"], v4("11.0.0.68"));
    }

    #[test]
    fn an_address_taken_over_meanwhile_is_not_given_back() {
        let mut allocator = Allocator::new(pool(SMALL));
        allocator.reconcile(&names(["broker.devkafka"]), &none());
        allocator.reconcile(&names(["web.marathon"]), &none());
        let got = allocator
            .reconcile(&names(["web.marathon", "broker.devkafka"]), &none())
            .addresses;
        assert_eq!(got["web.marathon"], v4("11.0.0.67"));
        assert_eq!(got["broker.devkafka"], v4("11.0.0.68"));
    }

    #[test]
    fn what_is_remembered_of_names_that_went_is_bounded() {
        let mut allocator = Allocator::new(pool("11.0.0.0/8"));
        let many: BTreeSet<String> = (0..=REMEMBERED).map(|i| format!("a{i}.m")).collect();
        let before = allocator.reconcile(&many, &none()).addresses;
        allocator.reconcile(&names(["a0.m"]), &none());
        assert_eq!(allocator.held().len(), REMEMBERED + 1);
        allocator.reconcile(&names(["b.m"]), &none());
        assert!(
            allocator.held().len() < REMEMBERED / 10,
            "{}",
            allocator.held().len()
        );
        assert_eq!(
            allocator.reconcile(&names(["a0.m"]), &none()).addresses["a0.m"],
            before["a0.m"]
        );
    }

    #[test]
    fn a_reserved_address_moves_its_name_and_says_so_while_it_lasts() {
        let mut allocator = Allocator::new(pool(SMALL));
        let (web, reserved) = (names(["web.marathon"]), BTreeSet::from([v4("11.0.0.67")]));
        allocator.reconcile(&web, &none());
        for _ in 0..2 {
            let moved = allocator.reconcile(&web, &reserved);
            assert_eq!(moved.addresses["web.marathon"], v4("11.0.0.68"));
            assert_eq!(moved.problems.len(), 1);
            assert!(moved.problems[0].reason.contains("moved to 11.0.0.68"));
        }
        let after = allocator.reconcile(&web, &none());
        assert_eq!(after.addresses["web.marathon"], v4("11.0.0.68"));
        assert_eq!(after.problems, []);
    }

    #[test]
    fn an_exhausted_pool_is_a_problem_of_the_names_left_over() {
        let mut allocator = Allocator::new(pool("11.0.0.0-11.0.0.3"));
        let reserved = BTreeSet::from([v4("11.0.0.2"), v4("10.0.0.1")]);
        let got = allocator.reconcile(&names(["a.m", "b.m", "c.m", "d.m", "e.m"]), &reserved);
        assert_eq!(got.addresses.len(), 3);
        let subjects: Vec<&str> = got.problems.iter().map(|p| p.subject.as_str()).collect();
        assert_eq!(subjects, ["d.m", "e.m"]);
        assert!(got.problems[0].reason.contains("vips.pool"));
    }

    #[test]
    fn what_was_held_can_be_restored() {
        let mut before = Allocator::new(pool(SMALL));
        let both = names(["web.marathon", "broker.devkafka"]);
        before.reconcile(&both, &none());
        let mut after = Allocator::restore(pool(SMALL), before.held().clone());
        let web = after.reconcile(&names(["web.marathon"]), &none()).addresses;
        assert_eq!(web["web.marathon"], v4("11.0.0.68"));
    }

    #[test]
    fn nonsense_is_not_restored() {
        let held = [("a", "11.0.0.1"), ("b", "11.0.0.1"), ("c", "12.0.0.1")];
        let held = held.map(|(name, address)| (name.to_owned(), v4(address)));
        let allocator = Allocator::restore(pool(SMALL), Held::from(held));
        assert_eq!(allocator.held().keys().collect::<Vec<_>>(), ["a"]);
    }

    fn some_names() -> impl Strategy<Value = BTreeSet<String>> {
        btree_set("[a-d][a-z]?\\.m", 0..24)
    }

    fn some_reserved() -> impl Strategy<Value = BTreeSet<Ipv4Addr>> {
        btree_set(
            (0u8..40).prop_map(|host| Ipv4Addr::new(11, 0, 0, host)),
            0..8,
        )
    }

    proptest! {
        #[test]
        fn addresses_are_unique_in_the_pool_and_not_reserved(
            steps in vec((some_names(), some_reserved()), 1..8)
        ) {
            let pool = pool("11.0.0.0-11.0.0.31");
            let mut allocator = Allocator::new(pool);
            for (names, reserved) in steps {
                let got = allocator.reconcile(&names, &reserved);
                let unique: BTreeSet<_> = got.addresses.values().collect();
                prop_assert_eq!(unique.len(), got.addresses.len());
                prop_assert!(unique.iter().all(|a| pool.contains(**a) && !reserved.contains(a)));
                let without = names.iter().filter(|name| !got.addresses.contains_key(*name)).count();
                let free = 32 - reserved.range(..=v4("11.0.0.31")).count();
                prop_assert_eq!(without, names.len().saturating_sub(free));
            }
            let held: BTreeSet<_> = allocator.held().values().collect();
            prop_assert_eq!(held.len(), allocator.held().len());
        }

        #[test]
        fn the_order_of_arrival_does_not_matter(
            (sorted, shuffled) in some_names().prop_flat_map(|names| {
                let list: Vec<String> = names.into_iter().collect();
                (Just(list.clone()), Just(list).prop_shuffle())
            })
        ) {
            let pool = pool("11.0.0.0-11.0.0.31");
            let one = Allocator::new(pool).reconcile(&sorted.into_iter().collect(), &none());
            let other = Allocator::new(pool).reconcile(&shuffled.into_iter().collect(), &none());
            prop_assert_eq!(one, other);
        }

        #[test]
        fn a_present_name_keeps_its_address(
            kept in some_names(),
            others in vec(some_names(), 1..6),
        ) {
            let mut allocator = Allocator::new(pool("11.0.0.0-11.0.0.63"));
            let before = allocator.reconcile(&kept, &none()).addresses;
            for other in others {
                let now = allocator.reconcile(&kept.union(&other).cloned().collect(), &none());
                for name in &kept {
                    prop_assert_eq!(now.addresses[name], before[name]);
                }
            }
        }

        #[test]
        fn a_name_that_returns_gets_its_address_back_if_nobody_has_it(
            first in some_names(),
            second in some_names(),
        ) {
            let mut allocator = Allocator::new(pool("11.0.0.0-11.0.0.63"));
            let before = allocator.reconcile(&first, &none()).addresses;
            let middle = allocator.reconcile(&second, &none()).addresses;
            let after = allocator.reconcile(&first.union(&second).cloned().collect(), &none()).addresses;
            for name in first.difference(&second) {
                let taken = middle.values().any(|address| *address == before[name]);
                prop_assert!(taken || after[name] == before[name], "{} moved", name);
            }
        }
    }
}
