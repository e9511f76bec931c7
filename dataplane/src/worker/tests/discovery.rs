//! IPv6's next hops and own addresses: Neighbor Discovery, echo, announcements.

use super::*;
use crate::table::Mode;
use std::net::Ipv6Addr;

const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// An ICMPv6 message from the client on the segment.
fn message(to: (MacAddr, Ipv6Addr), hops: u8, kind: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let on_link = Ip { hops, ..PLAIN };
    let client = Net::V6.near_client(0);
    let mut bytes = vec![];
    PacketBuilder::ethernet2(client.0.0, to.0.0)
        .ip(ip_headers(client.1.ip(), to.1.into(), on_link))
        .icmpv6_raw(kind, 0, rest)
        .write(&mut bytes, body)
        .expect("a vector takes all");
    bytes
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => panic!("{address} is not IPv6"),
    }
}

/// Asks everybody who may have `target` for its station.
fn solicitation(target: Ipv6Addr, hops: u8) -> Vec<u8> {
    let low = target.octets();
    let [a, b, c] = [low[13], low[14], low[15]];
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    );
    let station = MacAddr([0x33, 0x33, 0xff, a, b, c]);
    let body = [&target.octets()[..], &[1, 1], &CLIENT_MAC.0].concat();
    message((station, group), hops, 135, [0; 4], &body)
}

#[test]
fn solicitations_are_answered_for_own_source_and_virtual_addresses_only() {
    let net = Net::V6;
    let client = net.near_client(0).1.ip();
    for (address, answered) in [
        (net.own(), true),
        (net.snat(), true),
        (net.vip_address(), true),
        (net.backend(1).ip(), false),
    ] {
        let mut rig = wide_rig(1, &policy(Mode::Nat));
        let answer = rig.through(&solicitation(v6(address), 255));
        assert_eq!(answer.is_some(), answered, "{address}");
        let Some(answer) = answer else { continue };
        let told = icmp(&answer);
        assert_eq!(told.macs, [CLIENT_MAC, OURS]);
        assert_eq!(told.addresses, [address, client]);
        assert_eq!((told.kind, told.code), (136, 0));
        assert_eq!(told.rest[0] & 0x60, 0x60, "solicited, override");
        let body = [&v6(address).octets()[..], &[2, 1], &OURS.0].concat();
        assert!(answer.ends_with(&body));
    }
}

#[test]
fn a_solicitation_that_has_come_through_a_router_is_not_believed() {
    let mut rig = wide_rig(1, &policy(Mode::Nat));
    let asked = v6(Net::V6.vip_address());
    assert_eq!(rig.through(&solicitation(asked, 254)), None);
    assert_eq!(rig.dropped(DropReason::NdInvalid), 1);
}

#[test]
fn echo_is_answered_for_own_addresses_and_vips() {
    let net = Net::V6;
    for (address, answered) in [
        (net.own(), true),
        (net.snat(), true),
        (net.vip_address(), true),
        (net.backend(1).ip(), false),
    ] {
        let mut rig = wide_rig(1, &policy(Mode::Nat));
        let request = message((OURS, v6(address)), 9, 128, [0, 77, 0, 3], b"odd");
        let reply = rig.through(&request);
        assert_eq!(reply.is_some(), answered, "{address}");
        let Some(reply) = reply else { continue };
        let told = icmp(&reply);
        assert_eq!(told.addresses, [address, net.near_client(0).1.ip()]);
        assert_eq!((told.kind, told.rest), (129, [0, 77, 0, 3]));
        assert_eq!(told.quote, b"odd");
    }
}

#[test]
fn the_packet_that_waits_for_its_next_hop_is_not_lost() {
    let net = Net::V6;
    let mut rig = wide_rig(1, &policy(Mode::Nat));
    rig.put(0, &tcp(net.client(4000), net.vip(), "S", b""));
    let asked = rig.run();
    assert_eq!(asked.len(), 1);
    assert_eq!(rig.sum(|c| c.holding.get()), 1);
    let question = icmp(&asked[0]);
    assert_eq!((question.kind, question.macs[1]), (135, OURS));
    assert_eq!(question.macs[0].0[..3], [0x33, 0x33, 0xff]);
    assert_eq!(asked[0][21], 255, "hop limit");
    let released = rig.answer_arp(asked);
    let request = seen(&released[0]);
    assert_eq!(request.macs, [station(request.ends[1].ip()), OURS]);
    assert_eq!(rig.sum(|c| c.holding.get()), 0);
}

#[test]
fn a_silent_next_hop_drops_what_waited() {
    let net = Net::V6;
    let mut rig = wide_rig(1, &policy(Mode::Nat));
    rig.put(0, &tcp(net.client(4000), net.vip(), "S", b""));
    let mut asked = rig.run().len();
    for tick in 1..=30 {
        rig.now = Ticks(tick);
        asked += rig.run().len();
    }
    assert_eq!((asked, rig.dropped(DropReason::NeighborFailed)), (3, 1));
}

#[test]
fn own_source_and_virtual_addresses_are_announced_three_times_by_one_worker() {
    let net = Net::V6;
    let mut rig = wide_rig(2, &policy(Mode::Nat));
    rig.wait_until(60);
    for address in [net.own(), net.snat(), net.vip_address()] {
        let announced = rig.announced.iter().filter(|frame| {
            let is_v6 = frame[12..14] == [0x86, 0xdd] && frame[54] == 136;
            is_v6 && frame[..6] == ALL_NODES && frame[62..78] == v6(address).octets()
        });
        assert_eq!(announced.count(), 3, "{address}");
    }
}
