//! Source ports: unique towards each backend, found as long as there are any, steered home.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use dpdk_sys as sys;

use super::*;
use crate::clock::{TickSpan, Ticks};
use crate::dpdk::rss::Rss;
use crate::flow::Flow;

const BACKENDS: [(Ipv4Addr, u16); 2] = [
    (Ipv4Addr::new(10, 0, 0, 11), 80),
    (Ipv4Addr::new(10, 0, 0, 12), 80),
];

fn ports() -> SnatPorts<Ipv4Addr> {
    let addresses = vec![Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(10, 0, 0, 4)];
    let (first, last) = (2000, 2009);
    SnatPorts::new(addresses, PortRange { first, last })
}

/// Takes a port for a flow of client number `client`.
fn take<A: Address>(
    ports: &mut SnatPorts<A>,
    flows: &mut FlowTable<A>,
    backend: Endpoint<A>,
    client: u32,
    steering: Option<&ReturnSteering>,
) -> Option<Endpoint<A>> {
    let snat = ports.choose(flows, backend, Protocol::Tcp, steering)?;
    let (vip_port, client_port) = ((client >> 16) as u16, client as u16);
    let client = [(A::UNSPECIFIED, client_port), (A::UNSPECIFIED, vip_port)];
    let flow = Flow::through_us(Protocol::Tcp, client, [snat, backend], Ticks(0));
    flows
        .insert(flow, TickSpan(10))
        .expect("the table has room");
    Some(snat)
}

#[test]
fn every_port_serves_every_backend_once() {
    let (mut ports, mut flows) = (ports(), FlowTable::new(64, Ticks(0)));
    for (number, backend) in (0..).zip(BACKENDS) {
        let taken: HashSet<_> = (0..20)
            .filter_map(|n| take(&mut ports, &mut flows, backend, number * 100 + n, None))
            .collect();
        assert_eq!(taken.len(), 20);
        assert!(taken.iter().all(|(_, port)| (2000..=2009).contains(port)));
        assert_eq!(
            take(&mut ports, &mut flows, backend, 99, None),
            None,
            "all in use"
        );
    }
}

#[test]
fn a_long_run_of_ports_in_use_is_leapt_over() {
    let addresses = vec![Ipv4Addr::new(10, 0, 0, 3)];
    let (first, last) = (2000, 11_999);
    let mut ports = SnatPorts::new(addresses, PortRange { first, last });
    let mut flows = FlowTable::new(10_000, Ticks(0));
    let start = ports.next;
    // Connections that were opened one after another and stay.
    for client in 0..5000 {
        assert!(take(&mut ports, &mut flows, BACKENDS[0], client, None).is_some());
    }
    ports.next = start;
    for client in 5000..8000 {
        let port = take(&mut ports, &mut flows, BACKENDS[0], client, None);
        assert!(port.is_some(), "flow {client}");
    }
}

#[test]
fn a_port_comes_back_after_all_others() {
    let (mut ports, flows) = (ports(), FlowTable::new(4, Ticks(0)));
    let mut next = || ports.choose(&flows, BACKENDS[0], Protocol::Udp, None);
    let first = next();
    let others: HashSet<_> = (0..19).map(|_| next()).collect();
    assert!(others.len() == 19 && !others.contains(&first));
    assert_eq!(next(), first);
}

#[test]
fn one_address_has_room_for_more_flows_than_it_has_ports() {
    const EACH: u32 = 30_000;
    let share = PortRange {
        first: 1024,
        last: 65535,
    };
    let snat = Ipv4Addr::new(10, 0, 0, 3);
    let mut ports = SnatPorts::new(vec![snat], share);
    let mut flows = FlowTable::new(1 << 17, Ticks(0));
    for host in 0..4 {
        let backend = (Ipv4Addr::new(10, 0, 1, host), 80);
        let mut taken = HashSet::new();
        for n in 0..EACH {
            let client = u32::from(host) * EACH + n;
            let snat = take(&mut ports, &mut flows, backend, client, None);
            assert!(taken.insert(snat.expect("half of the ports are free")));
        }
    }
    assert_eq!(flows.len(), 120_000);
}

/// The last free port is found by flows that try again, whichever it is.
#[test]
fn the_search_comes_to_every_place() {
    let share = PortRange {
        first: 10_000,
        last: 14_999,
    };
    let mut ports = SnatPorts::new(vec![Ipv4Addr::new(10, 0, 0, 3)], share);
    let mut flows = FlowTable::new(5000, Ticks(0));
    let tries = |client: u32, ports: &mut SnatPorts<_>, flows: &mut FlowTable<_>| {
        let bound = 2 * share.count() / ANY.places;
        let mut found = (0..bound).map(|_| take(ports, flows, BACKENDS[0], client, None));
        found.any(|port| port.is_some())
    };
    assert!((0..5000).all(|client| tries(client, &mut ports, &mut flows)));
    assert!(!tries(5000, &mut ports, &mut flows), "all in use");
}

const QUEUES: u16 = 4;

fn steering(queue: u16) -> ReturnSteering {
    let rss = Rss {
        functions: sys::VD_RSS_IP | sys::VD_RSS_TCP | sys::VD_RSS_UDP,
        key: (0..40).map(|n: u8| n.wrapping_mul(0x9d) ^ 0x6d).collect(),
        redirection: (0..128).map(|entry| entry % QUEUES).collect(),
    };
    ReturnSteering::new(&rss, queue).expect("there is a choice")
}

/// As long as free ports steer home, chosen ports do; then the others are used.
fn ports_steer_home_while_any_do<A: Address>(snat: &[A], backend: Endpoint<A>) {
    for queue in 0..QUEUES {
        let steering = steering(queue);
        let home = steering.replies(backend, Protocol::Tcp).expect("hashed");
        let share = PortRange {
            first: 4000 + queue * 100,
            last: 4099 + queue * 100,
        };
        let mut ports = SnatPorts::new(snat.to_vec(), share);
        let places = ports.places();
        let at_home = (0..places).filter(|&place| home.come_home(ports.at(place)));
        let at_home = at_home.count() as u32;
        assert!(
            (places / 8..places / 2).contains(&at_home),
            "{at_home} of {places}"
        );
        let mut flows = FlowTable::new(1000, Ticks(0));
        for client in 0..places {
            let at = take(&mut ports, &mut flows, backend, client, Some(&steering));
            let at = at.expect("there are free ones");
            assert_eq!(home.come_home(at), client < at_home, "flow {client}");
        }
        let none = take(&mut ports, &mut flows, backend, places, Some(&steering));
        assert!(none.is_none(), "all in use");
    }
}

#[test]
fn ipv4_ports_steer_home_while_any_do() {
    let snat = [Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(10, 0, 0, 4)];
    ports_steer_home_while_any_do(&snat, BACKENDS[0]);
}

#[test]
fn ipv6_ports_steer_home_while_any_do() {
    let address = |host: u128| Ipv6Addr::from_bits(0xfd00 << 112 | host);
    ports_steer_home_while_any_do(&[address(3), address(4)], (address(1 << 64 | 9), 443));
}
