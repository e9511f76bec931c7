//! One bucket against a list in the order of use, and clients of both families in many.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const TIMEOUT: TickSpan = TickSpan(50);

fn backend(slot: u32) -> Occupant {
    (BackendSlot(slot), Epoch(7))
}

fn remembers<A: Address>(client: impl Fn(u32) -> A) {
    const CLIENTS: u32 = 200;
    // 400 entries in 2048 buckets: one of nine comes by a chance of less than one in 10^8.
    let mut table = Affinity::new(2048 * WAYS);
    for n in 0..CLIENTS {
        table.remember(ServiceSlot(1), client(n), backend(n), Ticks(0));
        table.remember(ServiceSlot(2), client(n), backend(n + CLIENTS), Ticks(0));
    }
    for n in 0..CLIENTS {
        let at = |service| table.lookup(ServiceSlot(service), client(n), TIMEOUT, Ticks(1));
        assert_eq!(at(1), Some(backend(n)));
        assert_eq!(at(2), Some(backend(n + CLIENTS)));
        assert_eq!(at(3), None);
    }
}

#[test]
fn clients_of_ipv4_and_ipv6_are_remembered_by_service() {
    remembers(Ipv4Addr::from_bits);
    remembers(|n| Ipv6Addr::from_bits(u128::from(n) << 64 | 1));
}

#[derive(Clone, Debug)]
enum Step {
    Lookup(u32),
    Remember(u32, u32),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u32..12).prop_map(Step::Lookup),
        (0u32..12, 0u32..5).prop_map(|(client, slot)| Step::Remember(client, slot)),
        (1u32..30).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn a_bucket_forgets_whom_it_has_not_seen_for_longest(
        start in any::<u32>(), steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut now = Ticks(start);
        let mut table = Affinity::new(WAYS);
        // Client, backend and last use; the longest ago first.
        let mut model: Vec<(u32, u32, Ticks)> = vec![];
        for step in steps {
            // No two uses at one time: which of them is older would not be told.
            now = now.after(TickSpan(1));
            match step {
                Step::Lookup(client) => {
                    let found = table.lookup(ServiceSlot(0), Ipv4Addr::from_bits(client), TIMEOUT, now);
                    let known = model.iter().find(|(n, _, used)| {
                        *n == client && now.since(*used) < TIMEOUT
                    });
                    prop_assert_eq!(found, known.map(|(_, slot, _)| backend(*slot)));
                }
                Step::Remember(client, slot) => {
                    table.remember(ServiceSlot(0), Ipv4Addr::from_bits(client), backend(slot), now);
                    model.retain(|(n, ..)| *n != client);
                    if model.len() == WAYS {
                        model.remove(0);
                    }
                    model.push((client, slot, now));
                }
                Step::Wait(ticks) => now = now.after(TickSpan(ticks)),
            }
        }
    }
}
