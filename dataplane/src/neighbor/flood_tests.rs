//! Invented clients on the segment, as many as anybody likes, against everybody else.

use super::tests::{MAC, route, table, update};
use super::*;
use crate::clock::Ticks;

/// The first of the invented clients.
const INVENTED: u32 = 10_000;

/// Clients that nobody answers for, each with `packets` packets to wait for it. Returns how many
/// were taken into the table.
fn flood(neighbors: &mut Neighbors<u32>, clients: u32, packets: u32, now: Ticks) -> usize {
    let mut taken = 0;
    for n in INVENTED..INVENTED + clients {
        let Some(client) = neighbors.refer(route(n), Role::Client) else {
            continue;
        };
        taken += 1;
        neighbors.lookup(client, now);
        for frame in 0..packets {
            let _ = neighbors.wait(client, frame);
        }
    }
    taken
}

fn infrastructure(neighbors: &mut Neighbors<u32>, n: u32) -> NeighborRef {
    neighbors
        .refer(route(n), Role::Infrastructure)
        .expect("a place is kept for a backend")
}

/// Packets that may wait for a neighbor now.
fn room(neighbors: &mut Neighbors<u32>, neighbor: NeighborRef, now: Ticks) -> usize {
    assert_eq!(neighbors.lookup(neighbor, now), Lookup::Unresolved);
    (0..)
        .take_while(|&f| neighbors.wait(neighbor, f).is_ok())
        .count()
}

#[test]
fn a_flood_leaves_places_to_backends() {
    let mut neighbors = table();
    let taken = flood(&mut neighbors, 3 * CAPACITY as u32, 0, Ticks(0));
    assert_eq!(taken, CAPACITY - INFRASTRUCTURE_PLACES);
    // One is the gateway.
    for n in 1..INFRASTRUCTURE_PLACES as u32 {
        infrastructure(&mut neighbors, n);
    }
}

#[test]
fn a_flood_does_not_push_out_idle_backends() {
    let mut neighbors = table();
    let now = Ticks(0);
    for n in 0..1000 {
        let backend = infrastructure(&mut neighbors, n);
        neighbors.learn(update(route(n), MAC), now, |_, _, _| {});
        neighbors.unrefer(backend);
    }
    flood(&mut neighbors, 3 * CAPACITY as u32, 0, now);
    for n in 0..1000 {
        let backend = infrastructure(&mut neighbors, n);
        assert_eq!(neighbors.lookup(backend, now), Lookup::Known(MAC));
    }
}

#[test]
fn many_backends_leave_places_to_clients_and_dead_ones_give_theirs() {
    let mut neighbors = table::<u32>();
    let backends: Vec<_> = (0..)
        .map_while(|n| neighbors.refer(route(n), Role::Infrastructure))
        .collect();
    assert_eq!(backends.len() + 1, CAPACITY - CLIENT_PLACES);
    let clients = CLIENT_PLACES as u32;
    assert_eq!(
        flood(&mut neighbors, 2 * clients, 0, Ticks(0)),
        CLIENT_PLACES
    );
    for backend in backends {
        neighbors.unrefer(backend);
    }
    let more = flood(&mut neighbors, 2 * CAPACITY as u32, 0, Ticks(0));
    assert_eq!(more, CAPACITY - INFRASTRUCTURE_PLACES);
}

#[test]
fn a_flood_leaves_a_full_queue_to_a_backend() {
    let mut neighbors = table();
    flood(&mut neighbors, 3 * CAPACITY as u32, 3, Ticks(0));
    assert_eq!(neighbors.waiting(), WAITING_UNPROVEN);
    let backend = infrastructure(&mut neighbors, 1);
    assert_eq!(room(&mut neighbors, backend, Ticks(0)), WAITING_EACH);
}

#[test]
fn a_client_that_has_answered_has_room_in_a_flood() {
    let mut neighbors = table();
    let client = neighbors
        .refer(route(1), Role::Client)
        .expect("there is room");
    neighbors.lookup(client, Ticks(0));
    neighbors.learn(update(route(1), MAC), Ticks(0), |_, _, _| {});
    assert_eq!(neighbors.lookup(client, Ticks(300)), Lookup::Known(MAC));
    for now in 300..380 {
        neighbors.tick(Ticks(now), |_| {});
        while neighbors.next_request(Ticks(now)).is_some() {}
    }
    assert!(neighbors.has_failed(client));
    flood(&mut neighbors, 3 * CAPACITY as u32, 3, Ticks(380));
    assert_eq!(room(&mut neighbors, client, Ticks(380)), WAITING_EACH);
}

#[test]
fn each_of_many_backends_has_its_minimum_whatever_waits() {
    let mut neighbors = table();
    flood(&mut neighbors, 3 * CAPACITY as u32, 3, Ticks(0));
    for n in 0..20 {
        let greedy = infrastructure(&mut neighbors, n);
        room(&mut neighbors, greedy, Ticks(0));
    }
    for n in 20..120 {
        let backend = infrastructure(&mut neighbors, n);
        let room = room(&mut neighbors, backend, Ticks(0));
        assert!(room >= WAITING_MINIMUM, "backend {n}: {room}");
    }
}

#[test]
fn requests_are_bounded_and_those_for_backends_come_first() {
    let mut neighbors = table::<u32>();
    flood(&mut neighbors, 3 * CAPACITY as u32, 1, Ticks(0));
    let backends: Vec<_> = (0..200)
        .map(|n| infrastructure(&mut neighbors, n))
        .collect();
    for &backend in &backends {
        neighbors.lookup(backend, Ticks(0));
    }
    let mut asked = vec![];
    for now in [0, 1] {
        neighbors.tick(Ticks(now), |_| {});
        let tick: Vec<_> = std::iter::from_fn(|| neighbors.next_request(Ticks(now))).collect();
        assert!(tick.len() <= REQUESTS_PER_TICK + CLIENT_REQUESTS_PER_TICK);
        asked.push(tick);
    }
    for (n, request) in (0..200).zip(asked[0][..128].iter().chain(&asked[1])) {
        assert_eq!(request.route, route(n));
    }
    let clients = asked.iter().flatten().count() - 200;
    assert_eq!(clients, 2 * CLIENT_REQUESTS_PER_TICK);
}

#[test]
fn a_backend_whose_address_a_flood_has_used_first_is_asked_at_once() {
    let mut neighbors = table();
    flood(&mut neighbors, 1000, 3, Ticks(0));
    let victim = INVENTED + 700;
    let backend = infrastructure(&mut neighbors, victim);
    let first = neighbors.next_request(Ticks(0)).expect("a request");
    assert_eq!(first.route, route(victim));
    let all = std::iter::from_fn(|| neighbors.next_request(Ticks(0)));
    assert!(
        all.into_iter()
            .all(|request| request.route != route(victim))
    );
    assert!(room(&mut neighbors, backend, Ticks(0)) > WAITING_EACH / 2);
    neighbors.drain(|_| {});
    flood(&mut neighbors, CAPACITY as u32, 3, Ticks(0));
    // The clients' share is whole; three packets more wait for the backend.
    assert_eq!(neighbors.waiting(), WAITING_UNPROVEN + 3);
}

#[test]
fn requests_that_cannot_be_sent_neither_pile_up_nor_hold_packets_for_ever() {
    let mut neighbors = table::<u32>();
    let mut failed = 0;
    let taken = flood(&mut neighbors, CAPACITY as u32, 0, Ticks(0));
    let client = neighbors
        .refer(route(INVENTED), Role::Client)
        .expect("it is there");
    neighbors.wait(client, 1).expect("there is room");
    for now in 1..=60 {
        neighbors.tick(Ticks(now), |_| failed += 1);
    }
    assert_eq!(failed, 1);
    flood(&mut neighbors, CAPACITY as u32, 0, Ticks(100));
    let mut asked = 0;
    for now in 100..200 {
        neighbors.tick(Ticks(now), |_| {});
        while asked < taken && neighbors.next_request(Ticks(now)).is_some() {
            asked += 1;
        }
        if asked == taken {
            return;
        }
    }
    panic!("{asked} of {taken} asked");
}
