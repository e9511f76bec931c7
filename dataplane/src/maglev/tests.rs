//! Balance, disruption and format of lookup tables.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn backends(count: u16) -> Vec<(SocketAddr, u16)> {
    (0..count)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            (SocketAddr::from(([10, 0, high, low], 8080)), 1)
        })
        .collect()
}

fn build(backends: &[(SocketAddr, u16)]) -> Maglev {
    Maglev::build(backends).expect("there is a backend with a weight")
}

/// Slots by address, so that tables of different lists compare.
fn addresses(table: &Maglev, backends: &[(SocketAddr, u16)]) -> Vec<SocketAddr> {
    table
        .slots()
        .iter()
        .map(|&index| backends[usize::from(index)].0)
        .collect()
}

fn loads(table: &Maglev) -> HashMap<BackendIndex, usize> {
    let mut loads = HashMap::new();
    for &slot in table.slots() {
        *loads.entry(slot).or_default() += 1;
    }
    loads
}

/// The largest load by the smallest.
fn imbalance(table: &Maglev) -> f64 {
    let loads = loads(table);
    let (least, most) = (loads.values().min(), loads.values().max());
    *most.expect("not empty") as f64 / *least.expect("not empty") as f64
}

/// The part of all slots that change hands though neither backend has gone or come.
fn needless_moves(before: &[(SocketAddr, u16)], after: &[(SocketAddr, u16)]) -> f64 {
    let (old, new) = (build(before), build(after));
    assert_eq!(old.slots().len(), new.slots().len());
    let set = |list: &[(SocketAddr, u16)]| list.iter().map(|b| b.0).collect::<BTreeSet<_>>();
    let (was, is) = (set(before), set(after));
    let (old, new) = (addresses(&old, before), addresses(&new, after));
    let moved = old
        .iter()
        .zip(&new)
        .filter(|(o, n)| o != n && is.contains(*o) && was.contains(*n));
    moved.count() as f64 / old.len() as f64
}

#[test]
fn no_backend_no_table() {
    assert_eq!(Maglev::build(&[]), None);
    let draining = [(SocketAddr::from(([10, 0, 0, 1], 1)), 0)];
    assert_eq!(Maglev::build(&draining), None);
}

#[test]
fn a_permutation_comes_to_every_slot_once() {
    for size in SIZES.into_iter().chain([SINGLE]) {
        for (address, _) in backends(5) {
            let permutation = Permutation::of(address);
            let mut seen = vec![false; size as usize];
            for j in 0..size {
                let slot = permutation.slot(j, size) as usize;
                assert!(!std::mem::replace(&mut seen[slot], true), "{size}: {slot}");
            }
        }
    }
}

#[test]
fn the_format_does_not_change_by_accident() {
    let table = build(&backends(3));
    assert_eq!(table.slots().len(), 65_536);
    let every_4096th: Vec<_> = table.slots().iter().copied().step_by(4096).collect();
    assert_eq!(every_4096th, FORMAT_2_THREE_BACKENDS);
}

/// Some slots of `backends(3)`, worked out independently; another value here is another format.
const FORMAT_2_THREE_BACKENDS: [BackendIndex; 16] =
    [0, 2, 0, 0, 1, 2, 2, 1, 0, 1, 0, 1, 2, 0, 1, 0];

#[test]
fn a_single_backend_gets_every_flow_from_the_smallest_table() {
    let table = build(&backends(1));
    assert_eq!(table.slots(), [0; SINGLE as usize]);
}

#[test]
fn loads_differ_by_at_most_two_percent() {
    for count in [1, 2, 3, 10, 1310, 1311, 10_485] {
        let table = build(&backends(count));
        assert_eq!(loads(&table).len(), usize::from(count));
        assert!(imbalance(&table) <= 1.02, "{count} backends");
    }
}

/// Some distinct backends, at any address and port, all of weight 1.
fn any_backends(count: impl Into<prop::collection::SizeRange>) -> BackendsStrategy {
    let backend = prop_oneof![
        any::<(u32, u16)>().prop_map(|(ip, port)| (Ipv4Addr::from_bits(ip), port).into()),
        any::<([u8; 16], u16)>().prop_map(|(ip, port)| SocketAddr::from((ip, port))),
        // As in practice: neighbors on the same port.
        any::<u16>().prop_map(|n| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 80))),
    ];
    let list = prop::collection::btree_set(backend, count);
    list.prop_map(|set| set.into_iter().map(|address| (address, 1)).collect())
        .boxed()
}

type BackendsStrategy = BoxedStrategy<Vec<(SocketAddr, u16)>>;

/// Few backends, where single permutations weigh most, as often as many.
fn few_or_many() -> BackendsStrategy {
    prop_oneof![
        any_backends(2..12),
        any_backends(12..200),
        any_backends(200..1000)
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_backends_of_one_weight_have_equal_loads(list in few_or_many()) {
        let table = build(&list);
        prop_assert_eq!(loads(&table).len(), list.len());
        prop_assert!(imbalance(&table) <= 1.02);
    }

    #[test]
    fn a_backend_that_goes_or_comes_moves_little_else(
        list in few_or_many(), which in any::<prop::sample::Index>(),
    ) {
        prop_assume!(list.len() > 2);
        let mut fewer = list.clone();
        fewer.remove(which.index(list.len()));
        let (gone, come) = (needless_moves(&list, &fewer), needless_moves(&fewer, &list));
        prop_assert!(gone <= 0.02 && come <= 0.02, "{gone} when it goes, {come} when it comes");
    }

    /// Each backend has its part of the slots, up to rounding and one turn of all.
    #[test]
    fn weights_are_shares(
        list in any_backends(2..300), weights in prop::collection::vec(0u16..500, 300),
    ) {
        let list: Vec<_> = list.iter().zip(&weights).map(|(b, &weight)| (b.0, weight)).collect();
        let all: f64 = list.iter().map(|b| f64::from(b.1)).sum();
        prop_assume!(list.iter().filter(|b| b.1 > 0).count() > 1);
        let table = build(&list);
        let (size, loads) = (table.slots().len() as f64, loads(&table));
        for (index, &(_, weight)) in (0..).zip(&list) {
            let load = loads.get(&index).copied().unwrap_or_default() as f64;
            let share = f64::from(weight) / all;
            let turn = share * list.len() as f64;
            prop_assert!((load - share * size).abs() <= 2.0 + turn, "{load} of weight {weight}");
            prop_assert!(weight > 0 || load == 0.0);
        }
    }

    #[test]
    fn the_order_of_backends_does_not_matter(
        list in Just(backends(12)).prop_shuffle(), weights in prop::collection::vec(0u16..5, 12),
    ) {
        let weigh = |mut list: Vec<(SocketAddr, u16)>| {
            for backend in &mut list {
                let IpAddr::V4(ip) = backend.0.ip() else { unreachable!("all are IPv4") };
                backend.1 = weights[usize::from(ip.octets()[3])];
            }
            list
        };
        let (sorted, shuffled) = (weigh(backends(12)), weigh(list));
        let tables = (Maglev::build(&sorted), Maglev::build(&shuffled));
        match tables {
            (Some(a), Some(b)) => prop_assert_eq!(addresses(&a, &sorted), addresses(&b, &shuffled)),
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    #[test]
    fn every_hash_picks_a_backend(hash: u64, count in 1u16..50) {
        prop_assert!(build(&backends(count)).pick(hash) < count);
    }
}
