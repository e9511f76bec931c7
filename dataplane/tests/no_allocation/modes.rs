//! Every mode over both families: flows, answers, refusals, errors, fragments, ends.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use dataplane::Protocol;
use dataplane::clock::TickSpan;
use dataplane::network::{Attachment, Network, Subnet};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Mode, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::verdict::DropReason;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, PacketBuilder,
    TcpHeader,
};

use crate::rig::*;

const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

/// The addresses of a family.
#[derive(Clone, Copy, Debug)]
struct Place {
    own: IpAddr,
    vip: IpAddr,
    client: IpAddr,
    backend: IpAddr,
}

const V4: Place = Place {
    own: IpAddr::V4(OWN),
    vip: IpAddr::V4(VIP),
    client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    backend: IpAddr::V4(BACKEND),
};

const V6: Place = Place {
    own: IpAddr::V6(OWN_V6),
    vip: IpAddr::V6(Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 1)),
    client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    backend: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 11)),
};

fn cases() -> impl Iterator<Item = (Place, Mode)> {
    [V4, V6]
        .into_iter()
        .flat_map(|place| Mode::ALL.map(|mode| (place, mode)))
}

/// Both families, one worker, clients behind routers.
fn wide_network() -> Network {
    let mut network = network();
    network.workers = 1;
    let interface = &mut network.interfaces[0];
    interface.ipv4.as_mut().expect("it has one").gateway = Some(Ipv4Addr::new(10, 99, 0, 1));
    interface.ipv6 = Some(Attachment {
        address: OWN_V6,
        subnet: Subnet::of(OWN_V6, 64),
        gateway: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    });
    network.snat.ipv6 = vec![Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3)];
    network
}

fn table_of(place: Place, mode: Mode, epoch: u16) -> Table {
    let span = TickSpan(100);
    let timeouts = Timeouts {
        tcp_handshake: span,
        tcp_established: span,
        tcp_closing: span,
        udp: span,
    };
    let service = |slot: u16, protocol| {
        let backend = Backend {
            slot: BackendSlot(slot.into()),
            epoch: Epoch(epoch),
            address: (place.backend, 8080).into(),
            weight: 1,
        };
        let policy = Policy {
            mode,
            ..Policy::new(timeouts)
        };
        let (slot, vip) = (ServiceSlot(slot), (place.vip, 80).into());
        Arc::new(Service::new(slot, vip, protocol, policy, vec![backend]))
    };
    let services = [service(0, Protocol::Tcp), service(1, Protocol::Udp)];
    Table::new(&services, &BTreeSet::new())
}

fn rig_of(place: Place, mode: Mode) -> Rig {
    rig_on(wide_network(), table_of(place, mode, 0))
}

fn headers(from: IpAddr, to: IpAddr, hops: u8) -> IpHeaders {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let ip = Ipv4Header::new(0, hops, IpNumber::UDP, from.octets(), to.octets());
            IpHeaders::Ipv4(ip.expect("no payload fits"), Default::default())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let ip = Ipv6Header {
                hop_limit: hops,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(ip, Default::default())
        }
        mixed => panic!("{mixed:?}"),
    }
}

fn datagram(from: SocketAddr, to: SocketAddr, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ip(headers(from.ip(), to.ip(), hops))
        .udp(from.port(), to.port())
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

fn segment(from: SocketAddr, to: SocketAddr, syn: bool, ack: bool) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port(), to.port(), 7, 1000);
    (header.syn, header.ack) = (syn, ack);
    let mut bytes = vec![];
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ip(headers(from.ip(), to.ip(), 64))
        .tcp_header(header)
        .write(&mut bytes, b"")
        .expect("a vector takes all");
    bytes
}

/// An error that says what is too big for 1300 bytes.
fn error(source: IpAddr, to: IpAddr, quote: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(THEIRS.0, OURS.0).ip(headers(source, to, 64));
    let mut bytes = vec![];
    let rest = [0, 0, 5, 20];
    let written = match source {
        IpAddr::V4(_) => builder.icmpv4_raw(3, 4, rest).write(&mut bytes, quote),
        IpAddr::V6(_) => builder.icmpv6_raw(2, 0, rest).write(&mut bytes, quote),
    };
    written.expect("a vector takes all");
    bytes
}

/// What the neighbor that is asked for answers, if `frame` asks.
fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    if discovery(frame) == Some(135) {
        let target: [u8; 16] = frame[62..78].try_into().expect("16 bytes");
        let asker: [u8; 16] = frame[22..38].try_into().expect("16 bytes");
        let message = [&target[..], &[2, 1], &THEIRS.0].concat();
        let (target, asker) = (Ipv6Addr::from(target), Ipv6Addr::from(asker));
        let mut bytes = vec![];
        PacketBuilder::ethernet2(THEIRS.0, OURS.0)
            .ip(headers(target.into(), asker.into(), 255))
            .icmpv6_raw(136, 0, [0x60, 0, 0, 0])
            .write(&mut bytes, &message)
            .expect("a vector takes all");
        return Some(bytes);
    }
    let is_arp = frame[12..14] == [8, 6];
    let request = ArpPacket::read(&frame[14..]).filter(|_| is_arp)?;
    (request.operation == ArpOperation::Request).then(|| arp(request.reply_from(THEIRS)))
}

impl Rig {
    /// A turn with this packet, and more with what neighbors answer. Returns what else was sent.
    fn settle(&mut self, what: &str, packet: &[u8]) -> Vec<Vec<u8>> {
        let mut sent = vec![];
        for frame in self.turn(what, packet) {
            match answer(&frame) {
                Some(answer) => sent.extend(self.turn("a neighbor's answer", &answer)),
                None => sent.push(frame),
            }
        }
        sent
    }

    fn settle_one(&mut self, what: &str, packet: &[u8]) -> Vec<u8> {
        let mut sent = self.settle(what, packet);
        assert_eq!(sent.len(), 1, "{what}: {:?}", self.counters.verdicts);
        sent.remove(0)
    }
}

fn header_len(frame: &[u8]) -> usize {
    if frame[12..14] == [8, 0] { 20 } else { 40 }
}

/// Source of a packet of TCP or UDP.
fn source(frame: &[u8]) -> SocketAddr {
    let ports = 14 + header_len(frame);
    let port = u16::from_be_bytes([frame[ports], frame[ports + 1]]);
    let address: IpAddr = match header_len(frame) {
        20 => <[u8; 4]>::try_from(&frame[26..30]).expect("4 bytes").into(),
        _ => <[u8; 16]>::try_from(&frame[22..38])
            .expect("16 bytes")
            .into(),
    };
    (address, port).into()
}

#[test]
fn flows_of_every_mode_from_their_beginning_to_their_end() {
    for (place, mode) in cases() {
        let mut rig = rig_of(place, mode);
        let (client, vip) = ((place.client, 9).into(), (place.vip, 80).into());
        let backend = (place.backend, 8080).into();
        let syn = rig.settle_one("a SYN", &segment(client, vip, true, false));
        let request = rig.settle_one("a datagram", &datagram(client, vip, 64, b"ping"));
        if mode.returns_through_us() {
            let back = segment(backend, source(&syn), true, true);
            rig.settle_one("a SYN with ACK", &back);
            let back = datagram(backend, source(&request), 64, b"pong");
            rig.settle_one("an answer", &back);
        }
        for _ in 0..20 {
            rig.settle_one("a known connection", &segment(client, vip, false, true));
            rig.settle_one("a known flow", &datagram(client, vip, 64, b"ping"));
        }
        assert_eq!(rig.counters.flows_created.get(), 2);
        rig.tables.publish(table_of(place, mode, 1));
        let told = if mode.returns_through_us() { 2 } else { 0 };
        let sent = rig.turn("a backend's removal", &[]);
        assert_eq!(sent.len(), told, "{place:?} {mode:?}");
        rig.settle_one("a new start", &segment(client, vip, true, false));
        rig.turn_after(150, "the end of idle flows", &[]);
        assert!(rig.counters.flows_ended.get() >= 3, "{place:?} {mode:?}");
    }
}

#[test]
fn refusals_of_every_mode() {
    for (place, mode) in cases() {
        let mut rig = rig_of(place, mode);
        let (client, vip) = ((place.client, 9).into(), (place.vip, 80).into());
        let other = (place.vip, 81).into();
        rig.settle_one("a SYN to no service", &segment(client, other, true, false));
        rig.settle_one(
            "a datagram to no service",
            &datagram(client, other, 64, b""),
        );
        assert_eq!(rig.dropped(DropReason::NoService), 2);
        rig.settle_one("a last hop", &datagram(client, vip, 1, b""));
        assert_eq!(rig.dropped(DropReason::TtlExpired), 1);
        rig.settle_one(
            "a datagram that is too big",
            &datagram(client, vip, 64, &[0; 1480]),
        );
        assert_eq!(rig.dropped(DropReason::TooBig), 1);
        // More than may be answered in a second.
        let syn = segment(client, other, true, false);
        for _ in 0..1100 {
            rig.turn("one refusal of many", &syn);
        }
        // Resets, with the first; and the errors.
        assert_eq!(rig.counters.refusals_sent.get(), 1000 + 3);
    }
}

#[test]
fn errors_in_every_mode() {
    for (place, mode) in cases() {
        let mut rig = rig_of(place, mode);
        let (client, vip) = ((place.client, 9).into(), (place.vip, 80).into());
        let request = rig.settle_one("a datagram", &datagram(client, vip, 64, &[0; 1300]));
        let (quote, from) = (&request[14..414], place.backend);
        match mode {
            Mode::Nat | Mode::Gateway => {
                let error = error(from, source(&request).ip(), quote);
                rig.settle_one("an error about a request", &error);
            }
            Mode::Ipip | Mode::Gue => {
                assert_eq!(
                    rig.turn("a path's MTU", &error(from, place.own, quote))
                        .len(),
                    0
                );
                let again = datagram(client, vip, 64, &[0; 1300]);
                rig.settle_one("a datagram that is too big for the path", &again);
                assert_eq!(rig.dropped(DropReason::TooBig), 1);
            }
            Mode::Dsr => {}
        }
        let answer = datagram(vip, client, 64, b"pong");
        let about_answer = error(place.client, place.vip, &answer[14..]);
        rig.settle_one("an error about an answer", &about_answer);
        let stranger = datagram(vip, (place.client, 10).into(), 64, b"pong");
        let unrelated = error(place.client, place.vip, &stranger[14..]);
        assert_eq!(rig.turn("an error about nothing", &unrelated).len(), 0);
        assert_eq!(rig.dropped(DropReason::IcmpUnrelated), 1);
    }
}

/// Three fragments of a datagram of 2400 bytes.
fn fragments(from: SocketAddr, to: SocketAddr, id: u16) -> [Vec<u8>; 3] {
    let whole = datagram(from, to, 64, &[0; 2392]);
    let start = 14 + header_len(&whole);
    [0, 1, 2].map(|n| {
        let part = &whole[start + n * 800..][..800];
        let offset = IpFragOffset::try_new((n * 100) as u16).expect("13 bits");
        let headers = match headers(from.ip(), to.ip(), 64) {
            IpHeaders::Ipv4(mut ip, _) => {
                ip.set_payload_len(part.len()).expect("it is short");
                (ip.dont_fragment, ip.identification) = (false, id);
                (ip.more_fragments, ip.fragment_offset) = (n < 2, offset);
                ip.header_checksum = ip.calc_header_checksum();
                ip.to_bytes().to_vec()
            }
            IpHeaders::Ipv6(mut ip, _) => {
                ip.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
                ip.set_payload_length(8 + part.len()).expect("it is short");
                let fragment = Ipv6FragmentHeader::new(IpNumber::UDP, offset, n < 2, id.into());
                [&ip.to_bytes()[..], &fragment.to_bytes()].concat()
            }
        };
        [&whole[..14], &headers, part].concat()
    })
}

#[test]
fn fragments_in_every_mode() {
    for (place, mode) in cases() {
        let mut rig = rig_of(place, mode);
        let (client, vip) = ((place.client, 9).into(), (place.vip, 80).into());
        for id in 1..30 {
            let [first, second, third] = fragments(client, vip, id);
            assert_eq!(rig.settle("a fragment that is early", &second).len(), 0);
            assert_eq!(
                rig.settle("the first fragment", &first).len(),
                2,
                "{place:?} {mode:?}"
            );
            rig.settle_one("a fragment that is late", &third);
        }
        let [_, second, _] = fragments(client, vip, 100);
        for _ in 0..40 {
            rig.turn("a fragment without its first", &second);
        }
        assert!(rig.dropped(DropReason::FragmentQueue) > 0);
        for _ in 0..20 {
            rig.turn_after(1, "waiting", &[]);
        }
        assert!(rig.dropped(DropReason::FragmentTimeout) > 0);
    }
}
