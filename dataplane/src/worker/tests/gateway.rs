//! `gateway`: only the destination is translated, and the backend's answers pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::Protocol;
use crate::table::{Backend, BackendSlot, Epoch, Mode, Service, ServiceSlot};

#[test]
fn the_backend_sees_the_client_and_the_client_the_vip() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Gateway));
        let (client, vip) = (net.client(4000), net.vip());
        let ip = Ip {
            hops: 9,
            traffic_class: 0xb9,
            ..PLAIN
        };
        let request = seen(&rig.exchange(0, &udp_with(ip, client, vip, b"ping")));
        assert_eq!(request.ends[0], client.1);
        assert!(is_backend(net, request.ends[1]), "{request:?}");
        assert_eq!(request.macs, [station(request.ends[1].ip()), OURS]);
        assert_eq!((request.ttl, request.traffic_class), (8, 0xb9));
        assert_eq!(request.payload, b"ping");
        let (from, to) = reply_ends(&request);
        let reply = seen(&rig.exchange(0, &udp_with(ip, from, to, b"pong")));
        assert_eq!(reply.ends, [vip.1, client.1]);
        assert_eq!(reply.macs, [ROUTER_MAC, OURS]);
        assert_eq!((reply.ttl, reply.traffic_class), (8, 0xb9));
        assert_eq!(reply.payload, b"pong");
    }
}

#[test]
fn a_connection_that_is_not_known_goes_on_at_the_backend_that_maglev_chooses() {
    for net in Net::ALL {
        let (client, vip) = (net.client(4000), net.vip());
        let policy = policy(Mode::Gateway);
        let before = open_from(&mut wide_rig(1, &policy), client, vip);
        let mut restarted = wide_rig(1, &policy);
        let after = seen(&restarted.exchange(0, &tcp(client, vip, "A", b"data")));
        assert_eq!(after.ends, before.ends);
        let (from, to) = reply_ends(&after);
        let reply = seen(&restarted.exchange(0, &tcp(from, to, "A", b"more")));
        assert_eq!(reply.ends, [vip.1, client.1]);
    }
}

#[test]
fn viaduct_is_no_router_for_anything_else() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Gateway));
        let backend = (station(net.backend(1).ip()), net.backend(1));
        let stranger = (OURS, net.client(4000).1);
        assert_eq!(rig.through(&udp(backend, stranger, b"")), None);
        assert_eq!(rig.dropped(DropReason::NotLocal), 1);
    }
}

/// Two VIPs, by port, with one backend.
fn two_services(net: Net) -> Table {
    let service = |slot: u16, port| {
        let backend = Backend {
            slot: BackendSlot(slot.into()),
            epoch: Epoch(0),
            address: net.backend(1),
            weight: 1,
        };
        let vip = (net.vip_address(), port).into();
        let policy = policy(Mode::Gateway);
        let slot = ServiceSlot(slot);
        Arc::new(Service::new(
            slot,
            vip,
            Protocol::Udp,
            policy,
            vec![backend],
        ))
    };
    Table::new(&[service(0, 80), service(1, 81)], &BTreeSet::new())
}

#[test]
fn a_client_that_reaches_one_backend_by_two_vips_gets_each_answer_from_the_right_one() {
    for net in Net::ALL {
        let mut rig = Setup::new(wide_network(1), two_services(net)).rig();
        let client = net.client(4000);
        let vips = [80, 81].map(|port| (OURS, (net.vip_address(), port).into()));
        let requests = vips.map(|vip| seen(&rig.exchange(0, &udp(client, vip, b"ping"))));
        let sources = requests.clone().map(|request| request.ends[0].ip());
        assert_eq!(sources, [client.1.ip(), net.snat()]);
        for (request, vip) in requests.iter().zip(vips) {
            let (from, to) = reply_ends(request);
            let reply = seen(&rig.exchange(0, &udp(from, to, b"pong")));
            assert_eq!(reply.ends, [vip.1, client.1]);
        }
    }
}
