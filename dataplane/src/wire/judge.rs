//! Packets to test with, and `etherparse` as the judge of packets that were written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    IpHeaders, Ipv4Header, Ipv6Header, NetHeaders, PacketBuilder, PacketHeaders, TransportHeader,
};
use proptest::prelude::*;

use super::ip::AddressPair;

/// Pairs of unicast addresses of either family.
pub(super) fn addresses() -> impl Strategy<Value = AddressPair> {
    prop_oneof![addresses_v4(), addresses_v6()]
}

/// Pairs of unicast addresses of IPv4.
pub(super) fn addresses_v4() -> impl Strategy<Value = AddressPair> {
    any::<[[u8; 4]; 2]>().prop_map(|pair| {
        let [source, destination] = pair.map(|[a, b, c, d]| Ipv4Addr::new(a % 126 + 1, b, c, d));
        AddressPair::V4 {
            source,
            destination,
        }
    })
}

/// Pairs of unicast addresses of IPv6.
pub(super) fn addresses_v6() -> impl Strategy<Value = AddressPair> {
    any::<[[u16; 7]; 2]>().prop_map(|pair| {
        let [source, destination] =
            pair.map(|[a, b, c, d, e, f, g]| Ipv6Addr::new(0x2001, a, b, c, d, e, f, g));
        AddressPair::V6 {
            source,
            destination,
        }
    })
}

/// The IP headers of a packet between `addresses`.
pub(super) fn headers(addresses: AddressPair) -> IpHeaders {
    match addresses {
        AddressPair::V4 {
            source,
            destination,
        } => {
            let header = Ipv4Header {
                source: source.octets(),
                destination: destination.octets(),
                time_to_live: 61,
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Default::default())
        }
        AddressPair::V6 {
            source,
            destination,
        } => {
            let header = Ipv6Header {
                source: source.octets(),
                destination: destination.octets(),
                hop_limit: 61,
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
    }
}

/// A TCP segment in an IP packet.
pub(super) fn tcp(
    addresses: AddressPair,
    header: etherparse::TcpHeader,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ip(headers(addresses)).tcp_header(header);
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).expect("a packet");
    packet
}

/// A UDP datagram in an IP packet.
pub(super) fn udp(addresses: AddressPair, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ip(headers(addresses)).udp(ports.0, ports.1);
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).expect("a packet");
    packet
}

/// Reads an IP packet and finds its lengths and all its checksums right.
pub(super) fn judged(packet: &[u8]) -> PacketHeaders<'_> {
    let headers = PacketHeaders::from_ip_slice(packet).expect("a readable packet");
    let (source, destination, ip_len) = match headers.net.as_ref().expect("IP") {
        NetHeaders::Ipv4(header, _) => {
            assert_eq!(usize::from(header.total_len), packet.len(), "total length");
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let (source, destination) = (header.source, header.destination);
            (source.into(), destination.into(), header.header_len())
        }
        NetHeaders::Ipv6(header, extensions) => {
            let len = usize::from(header.payload_length) + 40;
            assert_eq!(len, packet.len(), "payload length");
            let (source, destination) = (header.source, header.destination);
            let ip_len = 40 + extensions.header_len();
            (source.into(), destination.into(), ip_len)
        }
        NetHeaders::Arp(_) => panic!("not IP"),
    };
    let body = &packet[ip_len..];
    match headers.transport.as_ref() {
        None => {}
        Some(TransportHeader::Udp(header)) => {
            assert_eq!(usize::from(header.length), body.len(), "UDP length");
            if header.checksum != 0 {
                assert_eq!(
                    transport_sum(source, destination, 17, body),
                    0,
                    "UDP checksum"
                );
            }
        }
        Some(TransportHeader::Tcp(_)) => {
            assert_eq!(
                transport_sum(source, destination, 6, body),
                0,
                "TCP checksum"
            );
        }
        Some(TransportHeader::Icmpv4(_)) => {
            assert_eq!(Sum16BitWords::new().add_slice(body).ones_complement(), 0);
        }
        Some(TransportHeader::Icmpv6(_)) => {
            assert_eq!(
                transport_sum(source, destination, 58, body),
                0,
                "ICMPv6 checksum"
            );
        }
        Some(other) => panic!("unexpected {other:?}"),
    }
    headers
}

/// The checksum over a pseudo header and `body`; 0 if the one in `body` is right.
pub(super) fn transport_sum(source: IpAddr, destination: IpAddr, protocol: u8, body: &[u8]) -> u16 {
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Sum16BitWords::new()
            .add_4bytes(source.octets())
            .add_4bytes(destination.octets()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Sum16BitWords::new()
            .add_16bytes(source.octets())
            .add_16bytes(destination.octets()),
        _ => panic!("two families"),
    };
    sum.add_2bytes([0, protocol])
        .add_4bytes((body.len() as u32).to_be_bytes())
        .add_slice(body)
        .ones_complement()
}
