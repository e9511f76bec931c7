//! The allocator's promises, by example and as properties.

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

#[test]
fn ipv6_addresses_are_those_of_dcos_and_collide_and_move_alike() {
    let v6 = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let cases = vectors().addresses;
    let all = names(cases.iter().map(|case| case.normalised.as_str()));
    let mut allocator = Allocator::new("fd01:c::/64".parse::<Pool<Ipv6Addr>>().expect("a pool"));
    let got = allocator.reconcile(&all, &BTreeSet::new()).addresses;
    for case in &cases {
        assert_eq!(got[&case.normalised], v6(&case.ipv6));
    }
    let first = cases.first().expect("there are vectors");
    let wanted = v6(&first.ipv6);
    let moved = allocator.reconcile(&all, &BTreeSet::from([wanted]));
    let next = Ipv6Addr::from_bits(wanted.to_bits() + 1);
    assert_eq!(moved.addresses[&first.normalised], next);
    assert_eq!(moved.problems[0].label, "vips.pool6");
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
