//! Packets of all kinds that can come in, right and wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dataplane::Protocol;
use dataplane::inspect::{Facts, Probe};
use dataplane::wire::tcp::TcpFlags;
use etherparse::{Icmpv4Type, PacketBuilder, TcpOptionElement, icmpv4};
use proptest::prelude::*;

use crate::rig::{FIRST_PORT, OURS, OWN, SERVICES, SNAT, SNAT_V6, THEIRS, VIP, VIP_V6, interface};

pub(crate) fn client(number: u8, port: u16) -> SocketAddr {
    // Two on the segment, the others behind the gateway.
    let network = if number < 2 { 99 } else { 98 };
    SocketAddr::from(([10, network, 0, 100 + number], port))
}

pub(crate) fn client_v6(number: u8, port: u16) -> SocketAddr {
    let network = if number < 2 { 0x99 } else { 0x98 };
    let address = Ipv6Addr::new(0xfd00, network, 0, 0, 0, 0, 0, 100 + u16::from(number));
    (address, port).into()
}

/// A packet that comes in.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// To a VIP's port, or another of Viaduct's addresses.
    Request {
        v6: bool,
        client: u8,
        port: u16,
        to: u16,
        udp: bool,
        flags: u8,
        hops: u8,
        payload: u16,
    },
    /// A SYN with an option.
    Open {
        client: u8,
        port: u16,
        to: u16,
    },
    /// From the destination of the frame that left so many frames ago, back to its source.
    Answer {
        ago: usize,
        flags: u8,
    },
    /// An ICMP error about that frame.
    Error {
        ago: usize,
    },
    /// A part of a datagram.
    Fragment {
        client: u8,
        id: u16,
        first: bool,
        to: u16,
    },
    Ping {
        client: u8,
        own: bool,
    },
    /// A request with a byte that is wrong.
    Damaged {
        at: usize,
        by: u8,
    },
}

pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    let flags = prop::sample::select(vec![0x02, 0x10, 0x12, 0x11, 0x04, 0x18]);
    let hops = prop::sample::select(vec![64, 64, 64, 1]);
    let payload = prop::sample::select(vec![0, 0, 100, 1440, 1470]);
    // The service with limits more often than others.
    let to = prop_oneof![4 => FIRST_PORT..FIRST_PORT + SERVICES + 1, 1 => Just(FIRST_PORT + 6)];
    let request = (
        any::<bool>(),
        0..4u8,
        1..4u16,
        to.clone(),
        any::<bool>(),
        flags.clone(),
        hops,
        payload,
    );
    prop_oneof![
        8 => request.prop_map(|(v6, client, port, to, udp, flags, hops, payload)| {
            Packet::Request { v6, client, port, to, udp, flags, hops, payload }
        }),
        4 => (0..4u8, 1..9u16, to.clone())
            .prop_map(|(client, port, to)| Packet::Open { client, port, to }),
        4 => (0..6usize, flags).prop_map(|(ago, flags)| Packet::Answer { ago, flags }),
        1 => (0..6usize).prop_map(|ago| Packet::Error { ago }),
        2 => (0..3u8, 0..4u16, any::<bool>(), to)
            .prop_map(|(client, id, first, to)| Packet::Fragment { client, id, first, to }),
        1 => (0..4u8, any::<bool>()).prop_map(|(client, own)| Packet::Ping { client, own }),
        2 => (0..54usize, any::<u8>()).prop_map(|(at, by)| Packet::Damaged { at, by }),
    ]
}

pub(crate) fn probe(protocol: Protocol, source: SocketAddr, to: impl Into<SocketAddr>) -> Probe {
    Probe {
        protocol,
        source,
        destination: to.into(),
        flags: TcpFlags(TcpFlags::SYN),
        hops: 64,
        payload: 0,
    }
}

pub(crate) fn frame(probe: Probe) -> Vec<u8> {
    probe.frame(&interface()).expect("of one family")
}

/// The bytes of a packet, given the frames that have left; `None` if they are too few.
pub(crate) fn bytes(packet: &Packet, left: &[Vec<u8>]) -> Option<Vec<u8>> {
    let before = |ago: usize| left.len().checked_sub(ago + 1).map(|at| &left[at]);
    Some(match *packet {
        Packet::Request {
            v6,
            client: number,
            port,
            to,
            udp,
            flags,
            hops,
            payload,
        } => {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            // The last port but one is at another address.
            let [v4, v6_address]: [IpAddr; 2] = if to == FIRST_PORT + SERVICES {
                [SNAT.into(), SNAT_V6.into()]
            } else {
                [VIP.into(), VIP_V6.into()]
            };
            let (source, address) = match v6 {
                false => (client(number, port), v4),
                true => (client_v6(number, port), v6_address),
            };
            let probe = probe(protocol, source, (address, to));
            frame(Probe {
                flags: TcpFlags(flags),
                hops,
                payload,
                ..probe
            })
        }
        Packet::Open {
            client: number,
            port,
            to,
        } => syn_with_option(client(number, port), (VIP, to))?,
        Packet::Answer { ago, flags } => {
            let ip = Facts::read(before(ago)?, None).ip?;
            let (ports, protocol) = (ip.ports?, Protocol::from_number(ip.protocol?)?);
            frame(Probe {
                flags: TcpFlags(flags),
                destination: SocketAddr::new(ip.source, ports.0),
                ..probe(protocol, SocketAddr::new(ip.destination, ports.1), (VIP, 0))
            })
        }
        Packet::Error { ago } => {
            let quoted = before(ago)?;
            let ip = Facts::read(quoted, None).ip?;
            let [from, to] = [ip.destination, ip.source].map(|address| match address {
                IpAddr::V4(address) => address.octets(),
                IpAddr::V6(_) => [0; 4],
            });
            let code = icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
            built(
                from,
                to,
                Icmpv4Type::DestinationUnreachable(code),
                &quoted[14..quoted.len().min(90)],
            )
        }
        Packet::Fragment {
            client: number,
            id,
            first,
            to,
        } => {
            let mut whole = frame(Probe {
                payload: 64,
                ..probe(Protocol::Udp, client(number, 7), (VIP, to))
            });
            let offset: u16 = if first { 0x2000 } else { 0x0009 };
            whole[18..20].copy_from_slice(&id.to_be_bytes());
            whole[20..22].copy_from_slice(&offset.to_be_bytes());
            whole[24..26].copy_from_slice(&[0, 0]);
            let sum = dataplane::wire::checksum::checksum(&whole[14..34]);
            whole[24..26].copy_from_slice(&sum.to_be_bytes());
            whole
        }
        Packet::Ping {
            client: number,
            own,
        } => {
            let IpAddr::V4(from) = client(number, 0).ip() else {
                return None;
            };
            let to = if own { OWN } else { Ipv4Addr::new(11, 9, 9, 9) };
            let echo = etherparse::IcmpEchoHeader { id: 1, seq: 2 };
            built(
                from.octets(),
                to.octets(),
                Icmpv4Type::EchoRequest(echo),
                b"ping",
            )
        }
        Packet::Damaged { at, by } => {
            let mut damaged = frame(probe(Protocol::Tcp, client(0, 9), (VIP, FIRST_PORT)));
            damaged[at] ^= by;
            damaged
        }
    })
}

/// A TCP SYN that announces a maximum segment size.
fn syn_with_option(source: SocketAddr, to: (Ipv4Addr, u16)) -> Option<Vec<u8>> {
    let IpAddr::V4(from) = source.ip() else {
        return None;
    };
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ipv4(from.octets(), to.0.octets(), 64)
        .tcp(source.port(), to.1, 7, 1000)
        .syn()
        .options(&[TcpOptionElement::MaximumSegmentSize(1460)])
        .expect("there is room for it")
        .write(&mut bytes, b"")
        .expect("a vector takes all");
    Some(bytes)
}

fn built(from: [u8; 4], to: [u8; 4], message: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ethernet2(THEIRS.0, OURS.0).ipv4(from, to, 64);
    builder
        .icmpv4(message)
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}
