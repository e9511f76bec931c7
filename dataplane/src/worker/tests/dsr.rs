//! `dsr`: the packet goes to the backend's station as it came, and its answers do not pass.

use super::*;
use crate::table::{Mode, Removal};

/// The number of the backend whose station gets this packet, which is as `original` but for a hop.
fn delivered(frame: &[u8], original: &[u8]) -> u8 {
    let (before, after) = (seen(original), seen(frame));
    assert_eq!(after.ends, before.ends);
    assert_eq!(after.payload, before.payload);
    assert_eq!(after.traffic_class, before.traffic_class);
    assert_eq!(after.ttl + 1, before.ttl);
    assert_eq!(after.macs[1], OURS);
    (1..=9)
        .find(|number| backend_mac(*number) == after.macs[0])
        .expect("a backend's station")
}

#[test]
fn packets_reach_the_backend_as_the_client_sent_them() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Dsr));
        let ip = Ip {
            traffic_class: 0x2e,
            may_fragment: true,
            ..PLAIN
        };
        let (client, vip) = (net.client(4000), net.vip());
        let syn = tcp_with(ip, client, vip, "S", b"");
        let first = delivered(&rig.exchange(0, &syn), &syn);
        for n in 0..5 {
            let packet = tcp_with(ip, client, vip, "A", &[n; 100]);
            assert_eq!(delivered(&rig.exchange(0, &packet), &packet), first);
        }
        let datagram = udp(client, vip, b"ping");
        delivered(&rig.exchange(0, &datagram), &datagram);
        assert_eq!(rig.sum(|c| c.flows_created.get()), 2);
    }
}

#[test]
fn a_connection_stays_while_backends_come_and_is_found_again_after_a_restart() {
    let (client, vip) = (Net::V4.client(4000), Net::V4.vip());
    let data = tcp(client, vip, "A", b"data");
    let mut rig = wide_rig(1, &policy(Mode::Dsr));
    let first = delivered(&rig.exchange(0, &data), &data);
    let mut restarted = wide_rig(1, &policy(Mode::Dsr));
    assert_eq!(delivered(&restarted.exchange(0, &data), &data), first);
    let others: Vec<_> = (4..=9).map(|n| (n, 9)).collect();
    let weights = [&[(1, 1), (2, 1), (3, 1)], &others[..]].concat();
    rig.tables.publish(wide_table(&policy(Mode::Dsr), &weights));
    assert_eq!(delivered(&rig.exchange(0, &data), &data), first);
}

/// A rig whose connection has lost its backend, and the connection's next packet.
fn bereft(removal: Removal) -> (Rig, Vec<u8>) {
    let policy = Policy {
        removal,
        ..policy(Mode::Dsr)
    };
    let (client, vip) = (Net::V4.client(4000), Net::V4.vip());
    let table = |n| wide_table(&policy, &[(n, 1)]);
    let mut rig = Setup::new(wide_network(1), table(1)).rig();
    rig.exchange(0, &tcp(client, vip, "S", b""));
    rig.exchange(0, &tcp(client, vip, "A", b""));
    rig.tables.publish(table(2));
    (rig, tcp(client, vip, "A", b"data"))
}

#[test]
fn the_connection_of_a_removed_backend_is_reset_or_goes_on_at_another() {
    let (mut rig, data) = bereft(Removal::Reset);
    let reset = rig.exchange(0, &data);
    assert!(tcp_header(&reset).rst);
    assert_eq!(rig.dropped(DropReason::BackendGone), 1);
    assert_eq!(rig.sum(|c| c.flows_ended.get()), 1);
    let (mut rig, data) = bereft(Removal::Keep);
    assert_eq!(delivered(&rig.exchange(0, &data), &data), 2);
}

#[test]
fn a_backend_on_another_vlan_gets_the_packet_with_its_tag() {
    let vlan = VlanId::new(200);
    let mut network = wide_network(1);
    let mut other = network.interfaces[0].clone();
    other.vlan = vlan;
    // The backends are there; the first interface keeps the router.
    let gateway = crate::network::Subnet::of(ROUTER, 32);
    network.interfaces[0]
        .ipv4
        .as_mut()
        .expect("it is there")
        .subnet = gateway;
    other.ipv4.as_mut().expect("it is there").gateway = None;
    other.ipv6 = None;
    network.interfaces.push(other);
    let mut rig = Setup::new(network, wide_table(&policy(Mode::Dsr), &[(1, 1)])).rig();
    let packet = udp(Net::V4.client(4000), Net::V4.vip(), b"ping");
    rig.put(0, &packet);
    let asked = rig.run();
    assert_eq!(asked[0][12..18], [0x81, 0, 0, 200, 8, 6]);
    rig.vlan = vlan;
    let sent = rig.answer_arp(asked);
    assert_eq!(sent[0][12..18], [0x81, 0, 0, 200, 8, 0]);
    assert_eq!(delivered(&sent[0], &packet), 1);
}
