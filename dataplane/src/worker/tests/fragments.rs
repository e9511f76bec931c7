//! Fragments: all of a datagram go where its first goes.

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpHeaders, IpNumber, Ipv6FragmentHeader, NetHeaders,
    PacketHeaders, UdpHeader,
};

use super::*;
use crate::table::Mode;

/// Payload of a fragment: a multiple of eight.
const PART: usize = 800;

/// A UDP datagram of these many bytes of payload in fragments, in order.
fn fragments((from, to): (End, End), payload: &[u8], id: u16) -> Vec<Vec<u8>> {
    let whole = udp(from, to, payload);
    let net = if from.1.is_ipv4() { Net::V4 } else { Net::V6 };
    let datagram = &packet_in(&whole)[net.header_len()..];
    let last = datagram.chunks(PART).count() - 1;
    let parts = datagram.chunks(PART).enumerate();
    parts
        .map(|(n, part)| fragment((from, to), (n, n < last), part, id))
        .collect()
}

/// Number `n` of the fragments of a datagram, and whether more follow.
pub(super) fn fragment(
    (from, to): (End, End),
    (n, more): (usize, bool),
    part: &[u8],
    id: u16,
) -> Vec<u8> {
    let offset = IpFragOffset::try_new((n * PART / 8) as u16).expect("13 bits");
    let mut bytes = vec![];
    let link = |ether_type| Ethernet2Header {
        source: from.0.0,
        destination: to.0.0,
        ether_type,
    };
    match ip_headers(from.1.ip(), to.1.ip(), PLAIN) {
        IpHeaders::Ipv4(mut ip, _) => {
            ip.set_payload_len(part.len()).expect("it is short");
            ip.protocol = IpNumber::UDP;
            (ip.dont_fragment, ip.identification) = (false, id);
            (ip.more_fragments, ip.fragment_offset) = (more, offset);
            bytes.extend(link(EtherType::IPV4).to_bytes());
            ip.header_checksum = ip.calc_header_checksum();
            bytes.extend(ip.to_bytes());
        }
        IpHeaders::Ipv6(mut ip, _) => {
            let len = Ipv6FragmentHeader::LEN + part.len();
            ip.set_payload_length(len).expect("it is short");
            ip.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
            bytes.extend(link(EtherType::IPV6).to_bytes());
            bytes.extend(ip.to_bytes());
            let header = Ipv6FragmentHeader::new(IpNumber::UDP, offset, more, id.into());
            bytes.extend(header.to_bytes());
        }
    }
    bytes.extend(part);
    bytes
}

/// A datagram put together from packets of one sender, in any order.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    station: MacAddr,
    ends: [SocketAddr; 2],
    payload: Vec<u8>,
}

/// Puts IP packets, which a frame to `station` brought, together as a host does.
fn reassemble(station: MacAddr, packets: &[Vec<u8>]) -> Whole {
    let mut body = vec![0; 64 * 1024];
    let (mut filled, mut ends) = (0, None);
    for packet in packets {
        let read = PacketHeaders::from_ip_slice(packet).expect("a packet");
        let (addresses, offset) = match read.net.expect("IP") {
            NetHeaders::Ipv4(ip, _) => (
                [ip.source.into(), ip.destination.into()],
                ip.fragment_offset.byte_offset(),
            ),
            NetHeaders::Ipv6(ip, extensions) => (
                [ip.source.into(), ip.destination.into()],
                extensions
                    .fragment
                    .expect("it is one")
                    .fragment_offset
                    .byte_offset(),
            ),
            NetHeaders::Arp(_) => panic!("not IP"),
        };
        assert_eq!(*ends.get_or_insert(addresses), addresses);
        let part = read.payload.slice();
        body[usize::from(offset)..][..part.len()].copy_from_slice(part);
        filled += part.len();
    }
    let [source, destination] = ends.expect("there is a packet");
    let (udp, _) = UdpHeader::from_slice(&body).expect("a header");
    let payload = body[UdpHeader::LEN..filled].to_vec();
    assert_eq!(usize::from(udp.length), filled);
    let sum = match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            udp.calc_checksum_ipv4_raw(s.octets(), d.octets(), &payload)
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            udp.calc_checksum_ipv6_raw(s.octets(), d.octets(), &payload)
        }
        mixed => panic!("{mixed:?}"),
    };
    assert_eq!(sum, Ok(udp.checksum));
    Whole {
        station,
        ends: [
            (source, udp.source_port).into(),
            (destination, udp.destination_port).into(),
        ],
        payload,
    }
}

/// What the receiver of these frames makes of them; tunnels are taken off.
fn received(mode: Mode, frames: &[Vec<u8>]) -> Whole {
    let stations: Vec<_> = frames.iter().map(|frame| frame[..6].to_vec()).collect();
    assert!(
        stations.iter().all(|station| *station == stations[0]),
        "to one station"
    );
    let packets: Vec<_> = frames
        .iter()
        .map(|frame| match mode.is_tunnel() {
            true => outer(frame).inner,
            false => packet_in(frame).to_vec(),
        })
        .collect();
    let station = MacAddr(stations[0][..].try_into().expect("6 bytes"));
    reassemble(station, &packets)
}

fn payload() -> Vec<u8> {
    (0..2100u32).map(|n| (n * 7 + n / 256) as u8).collect()
}

/// All orders of three.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// Puts fragments in, each at the next worker, with the neighbors answering.
fn pass(rig: &mut Rig, parts: &[Vec<u8>], order: [usize; 3]) -> Vec<Vec<u8>> {
    let mut sent = vec![];
    for (n, part) in order.into_iter().enumerate() {
        let worker = n % rig.workers.len();
        sent.extend(rig.all_of(worker, &parts[part]));
    }
    sent
}

#[test]
fn a_datagram_arrives_whole_in_any_order_by_any_worker() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        for (workers, order) in [1, 2]
            .into_iter()
            .flat_map(|n| ORDERS.map(|order| (n, order)))
        {
            let mut rig = wide_rig(workers, &policy(mode));
            let (client, vip) = (net.client(4000), net.vip());
            let parts = fragments((client, vip), &payload(), 77);
            assert_eq!(parts.len(), 3);
            let sent = pass(&mut rig, &parts, order);
            assert_eq!(sent.len(), 3, "{net:?} {mode:?} {order:?}");
            let whole = received(mode, &sent);
            assert_eq!(whole.payload, payload());
            if !mode.returns_through_us() {
                assert_eq!(whole.ends, [client.1, vip.1]);
                continue;
            }
            assert!(is_backend(net, whole.ends[1]));
            // And the answer, in fragments too.
            let ends = ((whole.station, whole.ends[1]), (OURS, whole.ends[0]));
            let sent = pass(&mut rig, &fragments(ends, &payload(), 78), order);
            let answer = received(mode, &sent);
            assert_eq!(answer.ends, [vip.1, client.1], "{net:?} {mode:?} {order:?}");
            assert_eq!(answer.payload, payload());
        }
    }
}

#[test]
fn later_fragments_go_where_the_whole_datagrams_of_their_flow_go() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let before = rig.exchange(0, &udp(client, vip, b"ping"));
        let parts = fragments((client, vip), &payload(), 1);
        for part in pass(&mut rig, &parts, [2, 0, 1]) {
            assert_eq!(part[..12], before[..12], "{net:?} {mode:?}");
        }
        assert_eq!(rig.sum(|c| c.flows_created.get()), 1);
    }
}

#[test]
fn fragments_whose_first_does_not_come_are_given_up_and_are_few() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Dsr));
        let (client, vip) = (net.client(4000), net.vip());
        let late = &fragments((client, vip), &payload(), 1)[1];
        for _ in 0..40 {
            assert_eq!(rig.through(late), None);
        }
        let refused = rig.dropped(DropReason::FragmentQueue);
        assert_eq!(refused, 40 - crate::fragments::HELD_EACH as u64);
        assert_eq!(rig.sum(|c| c.holding.get()), 40 - refused);
        rig.wait_until(9);
        assert_eq!(rig.dropped(DropReason::FragmentTimeout), 0);
        rig.wait_until(12);
        assert_eq!(rig.dropped(DropReason::FragmentTimeout), 40 - refused);
        assert_eq!(rig.sum(|c| c.holding.get()), 0);
    }
}

#[test]
fn a_second_first_fragment_cannot_lead_the_others_elsewhere() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Dsr));
        let (client, vip) = (net.client(4000), net.vip());
        let parts = fragments((client, vip), &payload(), 1);
        let first = rig.exchange(0, &parts[0]);
        let other = fragments((net.client(4001), vip), &payload(), 1);
        assert_eq!(rig.through(&other[0]), None);
        assert_eq!(rig.dropped(DropReason::FragmentConflict), 1);
        assert_eq!(rig.exchange(0, &parts[1])[..12], first[..12]);
    }
}

#[test]
fn datagrams_are_told_apart_by_their_id() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Gateway));
        let vip = net.vip();
        for (id, port) in [(1, 4000), (2, 4001), (3, 4002)] {
            let client = net.client(port);
            let sent = pass(
                &mut rig,
                &fragments((client, vip), &payload(), id),
                [0, 1, 2],
            );
            assert_eq!(received(Mode::Gateway, &sent).ends[0], client.1);
        }
    }
}

#[test]
fn the_ports_of_a_datagram_are_forgotten() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &policy(Mode::Dsr));
        let parts = fragments((net.client(4000), net.vip()), &payload(), 1);
        rig.exchange(0, &parts[0]);
        rig.wait_until(19);
        rig.exchange(0, &parts[1]);
        rig.wait_until(21);
        assert_eq!(rig.through(&parts[2]), None);
        assert_eq!(rig.sum(|c| c.holding.get()), 1);
    }
}
