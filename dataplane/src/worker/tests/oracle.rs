//! What frames say, as `etherparse` reads them: an implementation that shares nothing with ours.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpNumber, Ipv4Header, Ipv6Header, NetHeaders, PacketHeaders, PayloadSlice, TransportHeader,
};

use crate::wire::MacAddr;
use crate::wire::tunnel::GUE_PORT;

/// A TCP or UDP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) macs: [MacAddr; 2],
    pub(super) ends: [SocketAddr; 2],
    pub(super) ttl: u8,
    pub(super) traffic_class: u8,
    pub(super) payload: Vec<u8>,
}

/// An IP packet that carries something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) macs: [MacAddr; 2],
    pub(super) addresses: [IpAddr; 2],
    pub(super) ttl: u8,
    pub(super) traffic_class: u8,
    /// IPv4: DF. IPv6 packets are never fragmented on their way.
    pub(super) dont_fragment: bool,
    pub(super) identification: u16,
    pub(super) protocol: u8,
    /// The ports, of UDP.
    pub(super) ports: Option<[u16; 2]>,
    /// What follows the IP header, or the UDP header if there is one.
    pub(super) inner: Vec<u8>,
}

/// An ICMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Icmp {
    pub(super) macs: [MacAddr; 2],
    pub(super) addresses: [IpAddr; 2],
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) rest: [u8; 4],
    pub(super) quote: Vec<u8>,
}

impl Icmp {
    /// Source and destination of the packet that it quotes, whose header is whole.
    pub(super) fn quoted_ends(&self) -> [SocketAddr; 2] {
        quoted_ends(&self.quote)
    }
}

fn parsed(frame: &[u8]) -> PacketHeaders<'_> {
    PacketHeaders::from_ethernet_slice(frame).expect("the frame is well formed")
}

fn macs(packet: &PacketHeaders<'_>) -> [MacAddr; 2] {
    let link = packet.link.clone().expect("there is a link header");
    let link = link.ethernet2().expect("it is Ethernet");
    [MacAddr(link.destination), MacAddr(link.source)]
}

fn addresses(net: &NetHeaders) -> [IpAddr; 2] {
    match net {
        NetHeaders::Ipv4(ip, _) => [ip.source.into(), ip.destination.into()],
        NetHeaders::Ipv6(ip, _) => [ip.source.into(), ip.destination.into()],
        NetHeaders::Arp(_) => panic!("ARP where IP should be"),
    }
}

fn hops_and_class(net: &NetHeaders) -> (u8, u8) {
    match net {
        NetHeaders::Ipv4(ip, _) => (ip.time_to_live, ip.dscp.value() << 2 | ip.ecn.value()),
        NetHeaders::Ipv6(ip, _) => (ip.hop_limit, ip.traffic_class),
        NetHeaders::Arp(_) => panic!("ARP where IP should be"),
    }
}

/// A whole TCP or UDP packet, which must be right in all its checksums.
pub(super) fn seen(frame: &[u8]) -> Seen {
    verify(frame, true).expect("the frame is right");
    let packet = parsed(frame);
    let net = packet.net.as_ref().expect("there is a network header");
    let ports = match packet
        .transport
        .as_ref()
        .expect("there is a transport header")
    {
        TransportHeader::Tcp(tcp) => [tcp.source_port, tcp.destination_port],
        TransportHeader::Udp(udp) => [udp.source_port, udp.destination_port],
        other => panic!("unexpected {other:?}"),
    };
    let [source, destination] = addresses(net);
    let (ttl, traffic_class) = hops_and_class(net);
    Seen {
        macs: macs(&packet),
        ends: [(source, ports[0]).into(), (destination, ports[1]).into()],
        ttl,
        traffic_class,
        payload: packet.payload.slice().to_vec(),
    }
}

/// The TCP header of a packet.
pub(super) fn tcp_header(frame: &[u8]) -> etherparse::TcpHeader {
    match parsed(frame).transport {
        Some(TransportHeader::Tcp(tcp)) => tcp,
        other => panic!("not TCP but {other:?}"),
    }
}

/// A packet that carries something that is not looked into: a tunnel's, or a fragment.
pub(super) fn outer(frame: &[u8]) -> Outer {
    verify(frame, true).expect("the frame is right");
    let packet = parsed(frame);
    let net = packet.net.as_ref().expect("there is a network header");
    let (ttl, traffic_class) = hops_and_class(net);
    let (dont_fragment, identification, protocol) = match net {
        NetHeaders::Ipv4(ip, _) => (ip.dont_fragment, ip.identification, ip.protocol),
        NetHeaders::Ipv6(ip, _) => (true, 0, ip.next_header),
        NetHeaders::Arp(_) => panic!("ARP where IP should be"),
    };
    Outer {
        macs: macs(&packet),
        addresses: addresses(net),
        ttl,
        traffic_class,
        dont_fragment,
        identification,
        protocol: protocol.0,
        ports: match &packet.transport {
            Some(TransportHeader::Udp(udp)) => Some([udp.source_port, udp.destination_port]),
            _ => None,
        },
        inner: packet.payload.slice().to_vec(),
    }
}

pub(super) fn icmp(frame: &[u8]) -> Icmp {
    verify(frame, true).expect("the frame is right");
    let packet = parsed(frame);
    let net = packet.net.as_ref().expect("there is a network header");
    let header = match packet
        .transport
        .as_ref()
        .expect("there is a transport header")
    {
        TransportHeader::Icmpv4(header) => header.to_bytes().to_vec(),
        TransportHeader::Icmpv6(header) => header.to_bytes().to_vec(),
        other => panic!("unexpected {other:?}"),
    };
    Icmp {
        macs: macs(&packet),
        addresses: addresses(net),
        kind: header[0],
        code: header[1],
        rest: [header[4], header[5], header[6], header[7]],
        quote: packet.payload.slice().to_vec(),
    }
}

/// Source and destination of the IP packet of TCP or UDP that begins here, which may be cut short.
pub(super) fn quoted_ends(packet: &[u8]) -> [SocketAddr; 2] {
    let ([source, destination], body): ([IpAddr; 2], _) = match packet[0] >> 4 {
        4 => {
            let (ip, body) = Ipv4Header::from_slice(packet).expect("a header");
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            ([ip.source.into(), ip.destination.into()], body)
        }
        _ => {
            let (ip, body) = Ipv6Header::from_slice(packet).expect("a header");
            ([ip.source.into(), ip.destination.into()], body)
        }
    };
    let port = |at| u16::from_be_bytes([body[at], body[at + 1]]);
    [(source, port(0)).into(), (destination, port(2)).into()]
}

/// Whether the lengths and checksums of a frame are right, and those of what a tunnel carries. TCP,
/// UDP and ICMP's checksums count only if `strict`: Viaduct passes on a packet whose payload was
/// damaged as it came, so that its receiver notices.
pub(super) fn verify(frame: &[u8], strict: bool) -> Result<(), String> {
    let packet = PacketHeaders::from_ethernet_slice(frame).map_err(|e| e.to_string())?;
    verify_packet(&packet, strict)
}

fn verify_packet(packet: &PacketHeaders<'_>, strict: bool) -> Result<(), String> {
    let Some(net) = packet.net.as_ref() else {
        return Err("neither IP nor ARP".into());
    };
    if let NetHeaders::Ipv4(ip, _) = net
        && ip.header_checksum != ip.calc_header_checksum()
    {
        return Err("IPv4 checksum".into());
    }
    let payload = packet.payload.slice();
    match (&packet.transport, &packet.payload) {
        (None, PayloadSlice::Ip(inner)) if !inner.fragmented && is_ip(inner.ip_number) => {
            return verify_inner(payload, strict);
        }
        (Some(TransportHeader::Udp(udp)), _) if udp.destination_port == GUE_PORT => {
            let header = if payload[0] >> 4 == 0 { 4 } else { 0 };
            return verify_inner(&payload[header..], strict);
        }
        _ => {}
    }
    match &packet.transport {
        Some(transport) if strict && !checksum_is_right(net, transport, payload) => {
            Err(format!("checksum of {transport:?}"))
        }
        _ => Ok(()),
    }
}

fn is_ip(number: IpNumber) -> bool {
    [IpNumber::IPV4, IpNumber::IPV6].contains(&number)
}

fn verify_inner(packet: &[u8], strict: bool) -> Result<(), String> {
    let inner = PacketHeaders::from_ip_slice(packet).map_err(|e| format!("inside: {e}"))?;
    verify_packet(&inner, strict)
}

fn checksum_is_right(net: &NetHeaders, transport: &TransportHeader, payload: &[u8]) -> bool {
    match (transport, net) {
        (TransportHeader::Tcp(tcp), NetHeaders::Ipv4(ip, _)) => {
            tcp.calc_checksum_ipv4(ip, payload) == Ok(tcp.checksum)
        }
        (TransportHeader::Tcp(tcp), NetHeaders::Ipv6(ip, _)) => {
            tcp.calc_checksum_ipv6(ip, payload) == Ok(tcp.checksum)
        }
        (TransportHeader::Udp(udp), NetHeaders::Ipv4(ip, _)) => {
            udp.checksum == 0 || udp.calc_checksum_ipv4(ip, payload) == Ok(udp.checksum)
        }
        (TransportHeader::Udp(udp), NetHeaders::Ipv6(ip, _)) => {
            udp.calc_checksum_ipv6(ip, payload) == Ok(udp.checksum)
        }
        (TransportHeader::Icmpv4(header), _) => {
            header.icmp_type.calc_checksum(payload) == header.checksum
        }
        (TransportHeader::Icmpv6(header), NetHeaders::Ipv6(ip, _)) => {
            let sum = header
                .icmp_type
                .calc_checksum(ip.source, ip.destination, payload);
            sum == Ok(header.checksum)
        }
        _ => false,
    }
}
