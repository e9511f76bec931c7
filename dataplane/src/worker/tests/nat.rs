//! `nat`: packets go to backends from a source address, and the answers come back.

use std::collections::HashMap;

use super::*;

#[test]
fn udp_goes_to_a_backend_and_back() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"ping")));
    assert_eq!(request.ends[0].ip(), SNAT);
    assert!(
        (1..=3).any(|n| request.ends[1] == backend_address(n)),
        "{request:?}"
    );
    assert_eq!(request.macs, [mac_of(ipv4(request.ends[1])), OURS]);
    assert_eq!(
        (request.ttl, request.payload.as_slice()),
        (63, b"ping".as_slice())
    );
    let (from, to) = reply_ends(&request);
    let reply = seen(&rig.exchange(0, &udp(from, to, b"pong")));
    assert_eq!(reply.ends, [vip(80).1, client(4000).1]);
    assert_eq!(reply.macs, [CLIENT_MAC, OURS]);
    assert_eq!(reply.payload, b"pong");
}

#[test]
fn udp_without_checksum_stays_without() {
    let mut rig = rig(1, None);
    let mut bytes = udp(client(4000), vip(80), b"ping");
    bytes[40..42].copy_from_slice(&[0, 0]);
    assert_eq!(rig.exchange(0, &bytes)[40..42], [0, 0]);
}

#[test]
fn a_connection_stays_on_its_backend_while_backends_come_and_go() {
    let mut rig = rig(1, None);
    let first = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    rig.tables
        .publish(table(&[(1, 1), (2, 1), (3, 1), (4, 9), (5, 9), (6, 9)]));
    let second = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"x")));
    assert_eq!(second.ends, first.ends);
    // Even when its own backend is taken out of the table, or drains.
    rig.tables.publish(table(&[(6, 1)]));
    let third = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"y")));
    assert_eq!(third.ends, first.ends);
    let fresh = seen(&rig.exchange(0, &tcp(client(4001), vip(80), "S", b"")));
    assert_eq!(fresh.ends[1], backend_address(6));
}

#[test]
fn udp_of_a_gone_backend_chooses_again() {
    let mut rig = rig(1, None);
    rig.exchange(0, &udp(client(4000), vip(80), b""));
    rig.tables.publish(table(&[(9, 1)]));
    let after = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"")));
    assert_eq!(after.ends[1], backend_address(9));
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn draining_backends_get_no_new_flows() {
    let mut rig = rig(1, None);
    rig.tables.publish(table(&[(1, 0), (2, 1)]));
    for port in 4000..4030 {
        let request = seen(&rig.exchange(0, &tcp(client(port), vip(80), "S", b"")));
        assert_eq!(request.ends[1], backend_address(2));
    }
    rig.tables.publish(table(&[(1, 0), (2, 0)]));
    let reset = rig.through(&tcp(client(5000), vip(80), "S", b""));
    assert_eq!(
        seen(&reset.expect("the client is told")).ends[1],
        client(5000).1
    );
    assert_eq!(rig.dropped(DropReason::NoBackend), 1);
}

#[test]
fn flows_spread_over_all_backends() {
    let mut rig = rig(1, None);
    let mut spread: HashMap<SocketAddr, u32> = HashMap::new();
    for port in 4000..4060 {
        let request = seen(&rig.exchange(0, &tcp(client(port), vip(80), "S", b"")));
        *spread.entry(request.ends[1]).or_default() += 1;
    }
    assert_eq!(spread.len(), 3);
    assert!(spread.values().all(|&n| n >= 8), "{spread:?}");
}

#[test]
fn tagged_ports_speak_tagged() {
    let vlan = VlanId::new(100);
    let mut rig = rig(1, vlan);
    let plain = udp(client(4000), vip(80), b"ping");
    assert_eq!(rig.through(&plain), None);
    assert_eq!(rig.dropped(DropReason::Vlan), 1);
    let mut tagged = plain;
    tagged.splice(12..12, [0x81, 0, 0, 100]);
    let sent = rig.exchange(0, &tagged);
    assert_eq!(sent[12..18], [0x81, 0, 0, 100, 8, 0]);
    assert_eq!(seen(&sent).payload, b"ping");
}

#[test]
fn an_untagged_port_takes_priority_tags_but_not_the_reserved_vlan() {
    let mut rig = rig(1, None);
    let mut tagged = udp(client(4000), vip(80), b"ping");
    tagged.splice(12..12, [0x81, 0, 0xe0, 0]);
    assert_eq!(seen(&rig.exchange(0, &tagged)).payload, b"ping");
    tagged[14..16].copy_from_slice(&[0x0f, 0xff]);
    assert_eq!(rig.through(&tagged), None);
    assert_eq!(rig.dropped(DropReason::Vlan), 1);
}

#[test]
fn a_full_flow_table_refuses_new_flows_only() {
    let mut rig = rig(1, None);
    for port in 0..64 {
        rig.exchange(0, &udp(client(4000 + port), vip(80), b""));
    }
    assert_eq!(rig.through(&udp(client(5000), vip(80), b"")), None);
    assert_eq!(rig.dropped(DropReason::FlowTableFull), 1);
    assert_eq!(
        seen(&rig.exchange(0, &udp(client(4000), vip(80), b"x"))).payload,
        b"x"
    );
}
