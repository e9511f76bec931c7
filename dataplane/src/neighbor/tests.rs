//! What a worker may rely on.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::clock::{TickSpan, Ticks};
use crate::network::{Attachment, Interface, Network, Route, SnatAddresses, Subnet};

pub(super) const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
pub(super) const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);
const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const ROUTE: Route = Route {
    interface: InterfaceIndex(0),
    next_hop: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)),
};
const UPDATE: NeighborUpdate = NeighborUpdate {
    interface: ROUTE.interface,
    address: ROUTE.next_hop,
    mac: MAC,
    claim: Claim::Arp,
};
const GATEWAY: Route = Route {
    interface: InterfaceIndex(0),
    next_hop: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
};

fn attachment<A: crate::family::Family>(
    address: A,
    prefix_len: u8,
    gateway: Option<A>,
) -> Attachment<A> {
    Attachment {
        address,
        subnet: Subnet::of(address, prefix_len),
        gateway,
    }
}

/// Two interfaces: one with both families, a gateway and source addresses, one with IPv4.
pub(super) fn network() -> Network {
    let interface = |mac, ipv4, ipv6| Interface {
        ipv4: Some(ipv4),
        ipv6,
        ..Interface::new(0, mac)
    };
    let gateway = Some(Ipv4Addr::new(10, 0, 0, 1));
    let ipv4 = attachment(Ipv4Addr::new(10, 0, 0, 2), 24, gateway);
    let address = "2001:db8::2".parse().expect("an address");
    let other = attachment(Ipv4Addr::new(10, 1, 0, 2), 16, None);
    Network {
        interfaces: vec![
            interface(OWN, ipv4, Some(attachment(address, 64, None))),
            interface(MacAddr([2, 0, 0, 0, 1, 2]), other, None),
        ],
        snat: SnatAddresses {
            ipv4: vec![Ipv4Addr::new(10, 0, 0, 3)],
            ipv6: vec![],
        },
        ..Network::default()
    }
}

pub(super) fn table<F>() -> Neighbors<F> {
    Neighbors::new(&network())
}

pub(super) fn route(n: u32) -> Route {
    Route {
        next_hop: Ipv4Addr::from_bits(0x0a01_0000 + n).into(),
        interface: InterfaceIndex(1),
    }
}

pub(super) fn update(route: Route, mac: MacAddr) -> NeighborUpdate {
    NeighborUpdate {
        interface: route.interface,
        address: route.next_hop,
        mac,
        claim: Claim::Arp,
    }
}

fn asks_all(route: Route) -> Option<Request> {
    Some(Request {
        route,
        unicast: None,
    })
}

fn asked() -> (Neighbors<u32>, NeighborRef) {
    let mut neighbors = table();
    let neighbor = neighbors
        .refer(ROUTE, Role::Infrastructure)
        .expect("there is room");
    assert_eq!(neighbors.lookup(neighbor, Ticks(0)), Lookup::Unresolved);
    assert_eq!(neighbors.next_request(Ticks(0)), asks_all(ROUTE));
    (neighbors, neighbor)
}

fn entry(neighbors: &Neighbors<u32>, now: u32) -> NeighborEntry {
    let mut entries = neighbors.entries(0, Ticks(now));
    entries
        .find(|entry| entry.route == ROUTE)
        .expect("it has an entry")
}

#[test]
fn packets_wait_and_leave_in_order() {
    let (mut neighbors, neighbor) = asked();
    for frame in 0..3 {
        assert_eq!(neighbors.lookup(neighbor, Ticks(1)), Lookup::Unresolved);
        neighbors.wait(neighbor, frame).expect("there is room");
    }
    assert_eq!(neighbors.next_request(Ticks(1)), None, "one is enough");
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
fn the_first_packets_of_many_flows_wait_for_either_role() {
    for role in [Role::Infrastructure, Role::Client] {
        let mut neighbors = table::<u32>();
        let neighbor = neighbors.refer(ROUTE, role).expect("there is room");
        neighbors.lookup(neighbor, Ticks(0));
        let taken = (0..).take_while(|&f| neighbors.wait(neighbor, f).is_ok());
        assert_eq!(taken.count(), WAITING_EACH, "{role:?}");
    }
}

/// With its tick, whom a request asked; with its tick, a frame that failed.
type Passed = (Vec<(u32, Option<MacAddr>)>, Vec<(u32, u32)>);

/// Passes time, answering nothing. The requests, and the frames that failed, with their ticks.
fn pass(neighbors: &mut Neighbors<u32>, ticks: std::ops::Range<u32>) -> Passed {
    let (mut requests, mut failed) = (vec![], vec![]);
    for now in ticks {
        neighbors.tick(Ticks(now), |frame| failed.push((now, frame)));
        while let Some(request) = neighbors.next_request(Ticks(now)) {
            assert_eq!(request.route, ROUTE);
            requests.push((now, request.unicast));
        }
    }
    (requests, failed)
}

#[test]
fn silence_fails_after_three_requests_and_is_asked_again_later() {
    let (mut neighbors, neighbor) = asked();
    neighbors.wait(neighbor, 7).expect("there is room");
    let (requests, failed) = pass(&mut neighbors, 1..31);
    assert_eq!(requests, [(10, None), (20, None)]);
    assert_eq!(failed, [(30, 7)]);
    assert!(neighbors.has_failed(neighbor) && neighbors.wait(neighbor, 8).is_err());
    assert_eq!(neighbors.lookup(neighbor, Ticks(39)), Lookup::Unresolved);
    assert_eq!(neighbors.next_request(Ticks(39)), None);
    assert_eq!(neighbors.lookup(neighbor, Ticks(40)), Lookup::Unresolved);
    assert_eq!(neighbors.next_request(Ticks(40)), asks_all(ROUTE));
    assert!(!neighbors.has_failed(neighbor) && neighbors.wait(neighbor, 8).is_ok());
}

#[test]
fn old_knowledge_is_used_while_it_is_asked_for_again() {
    let (mut neighbors, neighbor) = asked();
    neighbors.learn(UPDATE, Ticks(5), |_, _, _| {});
    assert_eq!(neighbors.lookup(neighbor, Ticks(304)), Lookup::Known(MAC));
    assert_eq!(neighbors.next_request(Ticks(304)), None);
    for now in [305, 306] {
        assert_eq!(neighbors.lookup(neighbor, Ticks(now)), Lookup::Known(MAC));
    }
    let probe = Request {
        route: ROUTE,
        unicast: Some(MAC),
    };
    assert_eq!(neighbors.next_request(Ticks(306)), Some(probe));
    assert_eq!(neighbors.next_request(Ticks(306)), None);
    neighbors.learn(UPDATE, Ticks(307), |_, _, _| {});
    assert_eq!(pass(&mut neighbors, 308..500), (vec![], vec![]));
    assert_eq!(entry(&neighbors, 500).state, NeighborState::Reachable);
}

#[test]
fn a_neighbor_that_has_died_fails_and_its_successor_is_found() {
    let (mut neighbors, neighbor) = asked();
    neighbors.learn(UPDATE, Ticks(0), |_, _, _| {});
    assert_eq!(neighbors.lookup(neighbor, Ticks(300)), Lookup::Known(MAC));
    let (requests, _) = pass(&mut neighbors, 300..330);
    assert!(requests.iter().all(|&(_, to)| to == Some(MAC)));
    assert_eq!(requests.len(), 3);
    assert_eq!(neighbors.lookup(neighbor, Ticks(330)), Lookup::Known(MAC));
    let (requests, _) = pass(&mut neighbors, 330..370);
    assert_eq!(requests, [(330, None), (340, None), (350, None)]);
    assert!(neighbors.has_failed(neighbor));
    assert_eq!(neighbors.lookup(neighbor, Ticks(365)), Lookup::Unresolved);
    neighbors.learn(update(ROUTE, OTHER), Ticks(366), |_, _, _| {});
    assert_eq!(neighbors.lookup(neighbor, Ticks(366)), Lookup::Known(OTHER));
}

#[test]
fn what_no_other_station_can_have_is_not_learned() {
    let (mut neighbors, neighbor) = asked();
    let second = network().interfaces[1].mac;
    let group = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    for mac in [OWN, second, group, MacAddr::BROADCAST, MacAddr::ZERO] {
        let advertisement = Claim::Advertisement {
            solicited: true,
            overrides: true,
        };
        for claim in [Claim::Arp, Claim::Solicitation, advertisement] {
            let update = NeighborUpdate {
                claim,
                ..update(ROUTE, mac)
            };
            neighbors.learn(update, Ticks(1), |_, _, _| {});
            let found = neighbors.lookup(neighbor, Ticks(1));
            assert_eq!(found, Lookup::Unresolved, "{mac} {claim:?}");
        }
    }
}

#[test]
fn a_static_neighbor_is_never_asked_changed_or_forgotten() {
    let mut neighbors = table::<u32>();
    neighbors
        .add_static(ROUTE.interface, ROUTE.next_hop, MAC)
        .expect("there is room");
    neighbors.learn(update(ROUTE, OTHER), Ticks(1), |_, _, _| {});
    let neighbor = neighbors.refer(ROUTE, Role::Client).expect("it is there");
    for now in [1, 400, 1_000_000] {
        assert_eq!(neighbors.lookup(neighbor, Ticks(now)), Lookup::Known(MAC));
        assert_eq!(neighbors.next_request(Ticks(now)), None);
    }
    neighbors.unrefer(neighbor);
    for n in 0..2 * CAPACITY as u32 {
        neighbors.refer(route(n), Role::Infrastructure);
    }
    assert_eq!(entry(&neighbors, 0).mac, Some(MAC));
    let refused = neighbors.add_static(ROUTE.interface, GATEWAY.next_hop, OWN);
    let (address, mac) = (GATEWAY.next_hop, OWN);
    assert_eq!(refused, Err(StaticError::NotAStation { address, mac }));
    let (interface, address) = (InterfaceIndex(1), Ipv4Addr::LOCALHOST.into());
    let refused = neighbors.add_static(interface, address, MAC);
    assert_eq!(refused, Err(StaticError::Full { address }));
}

#[test]
fn operators_see_what_is_known() {
    let (mut neighbors, neighbor) = asked();
    neighbors.wait(neighbor, 7).expect("there is room");
    let expected = NeighborEntry {
        route: ROUTE,
        role: Role::Infrastructure,
        state: NeighborState::Incomplete,
        mac: None,
        age: TickSpan(4),
        waiting: 1,
        users: 1,
    };
    assert_eq!(entry(&neighbors, 4), expected);
    neighbors.learn(UPDATE, Ticks(5), |_, _, _| {});
    for (now, state) in [(304, NeighborState::Reachable), (305, NeighborState::Stale)] {
        let age = TickSpan(now - 5);
        let (mac, waiting) = (Some(MAC), 0);
        let expected = NeighborEntry {
            state,
            mac,
            age,
            waiting,
            ..expected
        };
        assert_eq!(entry(&neighbors, now), expected);
    }
    let gateway = neighbors.entries(0, Ticks(0)).next().expect("the gateway");
    assert_eq!(
        (gateway.route, gateway.state),
        (GATEWAY, NeighborState::New)
    );
}

#[test]
fn places_that_no_flow_uses_are_given_to_others() {
    for role in [Role::Infrastructure, Role::Client] {
        let mut neighbors = table::<u32>();
        let kept = neighbors.refer(route(0), role).expect("there is room");
        for n in 1..20 * CAPACITY as u32 {
            let neighbor = neighbors.refer(route(n), role).expect("a free place");
            assert_ne!(neighbor, kept);
            let now = Ticks(n);
            assert_eq!(neighbors.lookup(neighbor, now), Lookup::Unresolved);
            neighbors.tick(now, |_| {});
            assert_eq!(neighbors.next_request(now), asks_all(route(n)));
            neighbors.learn(update(route(n), MAC), now, |_, _, _| {});
            neighbors.unrefer(neighbor);
        }
        assert_eq!(neighbors.refer(route(0), role), Some(kept));
    }
}

#[test]
fn a_place_with_packets_that_wait_is_not_given_away() {
    let (mut neighbors, neighbor) = asked();
    neighbors.wait(neighbor, 7).expect("there is room");
    neighbors.unrefer(neighbor);
    let mut n = 0;
    while neighbors.refer(route(n), Role::Infrastructure).is_some() {
        n += 1;
    }
    let (_, failed) = pass(&mut neighbors, 1..31);
    assert_eq!(failed, [(30, 7)]);
    let freed = neighbors.refer(route(n), Role::Infrastructure);
    assert_eq!(freed, Some(neighbor));
}

#[test]
fn a_place_that_is_used_again_is_kept() {
    let (mut neighbors, neighbor) = asked();
    neighbors.learn(UPDATE, Ticks(1), |_, _, _| {});
    neighbors.unrefer(neighbor);
    let again = neighbors.refer(ROUTE, Role::Infrastructure);
    assert_eq!(again, Some(neighbor));
    let mut n = 0;
    while neighbors.refer(route(n), Role::Infrastructure).is_some() {
        n += 1;
    }
    assert_eq!(neighbors.lookup(neighbor, Ticks(2)), Lookup::Known(MAC));
}

#[test]
fn strangers_are_not_learned() {
    let mut neighbors = table::<()>();
    neighbors.learn(UPDATE, Ticks(0), |_, _, ()| {});
    assert!(
        neighbors
            .entries(0, Ticks(0))
            .all(|entry| entry.route == GATEWAY)
    );
}
