//! The parser: any bytes as a frame. What it accepts, etherparse accepts, and reads alike.

use dataplane::offline::MemoryFrame;
use dataplane::wire::parse::{Payload, parse};
use etherparse::{NetHeaders, PacketHeaders, TransportHeader};

/// Parses `data` as a frame.
///
/// # Panics
/// The parser and etherparse differ about a packet that the parser accepts.
pub fn check(data: &[u8]) {
    let Ok(parsed) = parse(&MemoryFrame::new(data)) else {
        return;
    };
    let Payload::Transport(packet) = parsed.payload else {
        return;
    };
    let oracle = PacketHeaders::from_ethernet_slice(data).expect("an accepted packet is one");
    let ports = match oracle
        .transport
        .expect("an accepted packet has a transport header")
    {
        TransportHeader::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
        TransportHeader::Udp(udp) => (udp.source_port, udp.destination_port),
        other => panic!("accepted as TCP or UDP, but it is {other:?}"),
    };
    assert_eq!(ports, (packet.key.source_port, packet.key.destination_port));
    if let Some(NetHeaders::Ipv4(ip, _)) = oracle.net {
        assert_eq!(ip.source, packet.key.source.octets());
        assert_eq!(ip.destination, packet.key.destination.octets());
    }
}
