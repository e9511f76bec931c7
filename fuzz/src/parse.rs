//! The parser: any bytes as a frame. What it accepts, etherparse accepts, and reads alike.

use std::net::IpAddr;

use dataplane::offline::MemoryFrame;
use dataplane::wire::packet::{Content, Packet, Payload, Segment};
use dataplane::wire::parse;
use etherparse::{NetHeaders, PacketHeaders, TransportHeader};

/// Parses `data` as a frame.
///
/// # Panics
/// The parser and etherparse differ about a packet that the parser accepts.
pub fn check(data: &[u8]) {
    let Ok(parsed) = parse(&MemoryFrame::new(data)) else {
        return;
    };
    match parsed.payload {
        Payload::Arp(_) => {}
        Payload::Ipv4(packet) => compare(data, &packet),
        Payload::Ipv6(packet) => compare(data, &packet),
    }
}

fn compare<A: Copy + Into<IpAddr>>(data: &[u8], packet: &Packet<A>) {
    let Content::Segment(segment) = packet.content else {
        return;
    };
    let oracle = PacketHeaders::from_ethernet_slice(data).expect("an accepted packet is one");
    let addresses: [IpAddr; 2] = match oracle.net {
        Some(NetHeaders::Ipv4(ip, _)) => [ip.source.into(), ip.destination.into()],
        Some(NetHeaders::Ipv6(ip, _)) => [ip.source.into(), ip.destination.into()],
        other => panic!("accepted as IP, but it is {other:?}"),
    };
    assert_eq!(addresses, [packet.source.into(), packet.destination.into()]);
    let ports = match oracle.transport {
        Some(TransportHeader::Tcp(tcp)) => (tcp.source_port, tcp.destination_port),
        Some(TransportHeader::Udp(udp)) => (udp.source_port, udp.destination_port),
        other => panic!("accepted as TCP or UDP, but it is {other:?}"),
    };
    let Segment {
        source_port,
        destination_port,
        ..
    } = segment;
    assert_eq!(ports, (source_port, destination_port));
}
