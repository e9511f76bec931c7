//! Source addresses and ports of `nat`: how many flows they are enough for, and what if they are not.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::network::PortRange;
use crate::table::Mode;

/// A rig with these source ports and this many backends of one family.
fn rig_with_ports(workers: usize, (first, last): (u16, u16), backends: u8, flows: usize) -> Rig {
    let mut network = wide_network(workers);
    network.snat_ports = PortRange { first, last };
    let weights: Vec<_> = (1..=backends).map(|number| (number, 1)).collect();
    Setup {
        flows,
        ..Setup::new(network, wide_table(&policy(Mode::Nat), &weights))
    }
    .rig()
}

#[test]
fn one_address_serves_more_flows_than_it_has_ports() {
    const FLOWS: u16 = 10_000;
    for net in Net::ALL {
        let mut rig = rig_with_ports(1, (1024, 65535), 3, 140_000);
        let (mut ends, mut ports) = (HashSet::new(), HashSet::new());
        for client in 1..=13 {
            for port in 0..FLOWS {
                rig.put(0, &udp(net.far_client(client, 1024 + port), net.vip(), b""));
            }
            let sent = rig.run();
            for frame in rig.answer_arp(sent) {
                let seen = seen(&frame);
                assert_eq!(seen.ends[0].ip(), net.snat());
                ports.insert(seen.ends[0].port());
                assert!(ends.insert(seen.ends), "{:?} are taken", seen.ends);
            }
        }
        assert_eq!(rig.workers[0].pipeline().flows(), 13 * usize::from(FLOWS));
        // Some of the first wait in vain for their next hop, of which few may.
        let lost = rig.dropped(DropReason::NeighborQueue) as usize;
        assert_eq!(ends.len() + lost, 13 * usize::from(FLOWS));
        assert!(ends.len() > 2 * 65_536 - 10_000 && ports.len() <= 64_512);
    }
}

#[test]
fn without_a_free_port_new_flows_are_refused_and_old_ones_keep_theirs() {
    for net in Net::ALL {
        let mut rig = rig_with_ports(1, (2000, 2015), 1, 64);
        let clients: Vec<_> = (4000..4016).map(|port| net.client(port)).collect();
        let mut sources = BTreeMap::new();
        for client in &clients {
            let request = seen(&rig.exchange(0, &udp(*client, net.vip(), b"")));
            assert_eq!(sources.insert(request.ends[0], *client), None);
        }
        assert!(
            sources
                .keys()
                .all(|source| (2000..=2015).contains(&source.port()))
        );
        for port in 5000..5010 {
            assert_eq!(rig.through(&udp(net.client(port), net.vip(), b"")), None);
        }
        assert_eq!(rig.dropped(DropReason::SnatPorts), 10);
        // Nothing was taken from anybody.
        let backend = (station(net.backend(1).ip()), net.backend(1));
        for (source, client) in &sources {
            let request = seen(&rig.exchange(0, &udp(*client, net.vip(), b"")));
            assert_eq!(request.ends[0], *source);
            let reply = seen(&rig.exchange(0, &udp(backend, (OURS, *source), b"")));
            assert_eq!(reply.ends, [net.vip().1, client.1]);
        }
        assert_eq!(rig.sum(|c| c.flows_ended.get()), 0);
        // TCP has ports of its own.
        rig.exchange(0, &tcp(clients[0], net.vip(), "S", b""));
    }
}

#[test]
fn the_port_of_a_flow_that_has_ended_serves_another() {
    for net in Net::ALL {
        let mut rig = rig_with_ports(1, (2000, 2003), 1, 64);
        let request = |rig: &mut Rig, port| {
            seen(&rig.exchange(0, &udp(net.client(port), net.vip(), b""))).ends[0]
        };
        let first = request(&mut rig, 4000);
        let others = [4001, 4002, 4003].map(|port| request(&mut rig, port));
        rig.wait_until(300);
        for (port, source) in (4001..).zip(others) {
            assert_eq!(request(&mut rig, port), source);
        }
        rig.wait_until(502);
        assert_eq!(rig.sum(|c| c.flows_ended.get()), 1);
        assert_eq!(request(&mut rig, 5000), first);
    }
}

#[test]
fn a_port_is_used_towards_each_backend() {
    for net in Net::ALL {
        let mut rig = rig_with_ports(1, (2000, 2015), 3, 64);
        let mut of_backend: BTreeMap<SocketAddr, HashSet<u16>> = BTreeMap::new();
        for port in 4000..4200 {
            let Some(frame) = rig.all_of(0, &udp(net.client(port), net.vip(), b"")).pop() else {
                continue;
            };
            let [source, backend] = seen(&frame).ends;
            let is_new = of_backend.entry(backend).or_default().insert(source.port());
            assert!(is_new, "{source} → {backend}");
        }
        let used: Vec<_> = of_backend.values().map(HashSet::len).collect();
        assert_eq!(used, [16, 16, 16]);
    }
}

#[test]
fn workers_have_ports_of_their_own() {
    for net in Net::ALL {
        let mut rig = rig_with_ports(2, (2000, 2015), 1, 64);
        let mut sources = HashSet::new();
        for (worker, clients) in [(0, 4000..4009), (1, 5000..5009)] {
            for port in clients {
                for frame in rig.all_of(worker, &udp(net.client(port), net.vip(), b"")) {
                    assert!(sources.insert(seen(&frame).ends[0]));
                }
            }
            assert_eq!(rig.counters[worker].flows_created.get(), 8);
        }
        assert_eq!((sources.len(), rig.dropped(DropReason::SnatPorts)), (16, 2));
    }
}
