use etherparse::{Icmpv6Type, LinkHeader, NetHeaders, PacketHeaders, TransportHeader};
use proptest::prelude::*;

use super::*;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::VlanId;
use crate::wire::ipv6::ALL_NODES;
use crate::wire::judge;

const ME: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn unicast() -> impl Strategy<Value = Ipv6Addr> {
    any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| Ipv6Addr::new(0xfd00, a, b, c, d, e, f, g))
}

fn link() -> impl Strategy<Value = Link> {
    prop::option::of(1u16..4095).prop_map(|id| Link {
        mac: ME,
        vlan: id.and_then(VlanId::new),
    })
}

/// A frame as its receiver sees it, judged on the way.
struct Received {
    station: MacAddr,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    judged: Icmpv6Type,
    message: NdMessage,
}

fn received(link: Link, write: impl Fn(&mut [u8]) -> Option<usize>) -> Received {
    let mut frame = [0xaa; MAX_FRAME_LEN];
    let len = write(&mut frame).expect("room for the longest frame");
    assert_eq!(write(&mut [0; MAX_FRAME_LEN][..len - 1]), None, "no room");
    let frame = &frame[..len];
    let headers = PacketHeaders::from_ethernet_slice(frame).expect("a readable frame");
    assert_eq!(
        headers.vlan_ids().first().map(|id| id.value()),
        link.vlan.map(VlanId::get)
    );
    let Some(LinkHeader::Ethernet2(ethernet)) = &headers.link else {
        panic!("not Ethernet");
    };
    assert_eq!(ethernet.source, link.mac.0);
    let Some(NetHeaders::Ipv6(ip, _)) = &headers.net else {
        panic!("not IPv6");
    };
    assert_eq!(ip.hop_limit, 255);
    let Some(TransportHeader::Icmpv6(icmp)) = &headers.transport else {
        panic!("not ICMPv6");
    };
    let packet = &frame[crate::wire::ethernet::header_len(link.vlan)..];
    judge::judged(packet);
    Received {
        station: MacAddr(ethernet.destination),
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        judged: icmp.icmp_type,
        message: read(packet).expect("a valid message"),
    }
}

fn read(packet: &[u8]) -> Result<NdMessage, NdError> {
    let (header, message) = Ipv6Header::ref_from_prefix(packet).expect("40 bytes");
    NdMessage::read(header, message)
}

proptest! {
    #[test]
    fn solicitations_ask_everybody_or_one(link in link(), source in unicast(), target in unicast(), known: bool) {
        let station = known.then_some(PEER);
        let frame = received(link, |frame| write_solicitation(frame, link, source, target, station));
        prop_assert_eq!(frame.judged, Icmpv6Type::NeighborSolicitation);
        prop_assert_eq!(frame.message, NdMessage {
            kind: NdKind::Solicitation, target, link_layer: Some(ME),
            solicited: false, r#override: false, router: false,
        });
        prop_assert_eq!(frame.source, source);
        let group = solicited_node(target);
        let expected = if known { (PEER, target) } else { (multicast_mac(group), group) };
        prop_assert_eq!((frame.station, frame.destination), expected);
    }

    #[test]
    fn probes_come_from_nobody(link in link(), target in unicast()) {
        let frame = received(link, |frame| write_probe(frame, link, target));
        prop_assert_eq!(frame.judged, Icmpv6Type::NeighborSolicitation);
        prop_assert_eq!(frame.source, Ipv6Addr::UNSPECIFIED);
        prop_assert_eq!(frame.destination, solicited_node(target));
        prop_assert_eq!((frame.message.target, frame.message.link_layer), (target, None));
    }

    #[test]
    fn replies_go_to_the_asker(
        link in link(), asker in unicast(), target in unicast(), says_station: bool, router: bool,
    ) {
        let link_layer = says_station.then_some(PEER);
        let question = NdMessage {
            kind: NdKind::Solicitation, target, link_layer,
            solicited: false, r#override: false, router: false,
        };
        let other = MacAddr([2; 6]);
        let frame = received(link, |frame| write_reply(frame, link, &question, asker, other, router));
        prop_assert_eq!(frame.message, NdMessage {
            kind: NdKind::Advertisement, target, link_layer: Some(ME),
            solicited: true, r#override: true, router,
        });
        let expected = etherparse::icmpv6::NeighborAdvertisementHeader {
            router, solicited: true, r#override: true,
        };
        prop_assert_eq!(frame.judged, Icmpv6Type::NeighborAdvertisement(expected));
        prop_assert_eq!((frame.source, frame.destination), (target, asker));
        prop_assert_eq!(frame.station, link_layer.unwrap_or(other));
    }

    #[test]
    fn announcements_and_replies_to_probes_go_to_all(link in link(), target in unicast(), router: bool) {
        let probe = NdMessage {
            kind: NdKind::Solicitation, target, link_layer: None,
            solicited: false, r#override: false, router: false,
        };
        let nobody = Ipv6Addr::UNSPECIFIED;
        for frame in [
            received(link, |frame| write_announcement(frame, link, target, router)),
            received(link, |frame| write_reply(frame, link, &probe, nobody, PEER, router)),
        ] {
            prop_assert_eq!(frame.destination, ALL_NODES);
            prop_assert_eq!(frame.station, MacAddr([0x33, 0x33, 0, 0, 0, 1]));
            prop_assert!(!frame.message.solicited && frame.message.r#override);
            prop_assert_eq!(frame.message.router, router);
        }
    }

    #[test]
    fn any_bytes_are_read_within_bounds(
        message in prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..80), kind in 135u8..137,
    ) {
        let mut message = message;
        if let [first, code, ..] = &mut message[..] {
            (*first, *code) = (kind, 0);
        }
        let packet = with_message(unicast_peer(), ALL_NODES, message);
        let _ = read(&packet);
    }
}

fn unicast_peer() -> Ipv6Addr {
    link_local(PEER)
}

fn target() -> Ipv6Addr {
    link_local(ME)
}

/// A packet with this message and a right checksum, if there is room for one.
fn with_message(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let addresses = AddressPair::V6 {
        source,
        destination,
    };
    if message.len() >= 4 {
        message[2..4].fill(0);
        let sum = Sum::pseudo_header(addresses, 58, message.len()).bytes(&message);
        message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    }
    let mut packet = vec![0; 40];
    let header = crate::wire::ip::NewHeader {
        ttl: 255,
        ..crate::wire::ip::NewHeader::message(addresses, 58, message.len())
    };
    header.write(&mut packet).expect("room");
    packet.extend(message);
    packet
}

fn message(kind: u8, flags: u8, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let fixed = [kind, 0, 0, 0, flags, 0, 0, 0];
    [&fixed[..], &target.octets(), options].concat()
}

const SOURCE_OPTION: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 2];
const TARGET_OPTION: [u8; 8] = [2, 1, 2, 0, 0, 0, 0, 2];

/// Reads a message from the peer to us.
fn from_peer(bytes: Vec<u8>) -> Result<NdMessage, NdError> {
    read(&with_message(unicast_peer(), target(), bytes))
}

#[test]
fn headers_must_be_right() {
    let good = with_message(
        unicast_peer(),
        target(),
        message(135, 0, target(), &SOURCE_OPTION),
    );
    assert!(read(&good).is_ok());
    let with = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        read(&packet)
    };
    assert_eq!(with(7, 254), Err(NdError::HopLimit));
    assert_eq!(with(40, 128), Err(NdError::Kind));
    assert_eq!(with(41, 1), Err(NdError::Kind));
    assert_eq!(with(70, 0xff), Err(NdError::Checksum));
    assert_eq!(read(&good[..63]), Err(NdError::Truncated));
}

#[test]
fn options_must_be_right() {
    let ask = |options: &[u8]| from_peer(message(135, 0, target(), options)).map(|m| m.link_layer);
    assert_eq!(ask(&[]), Ok(None));
    assert_eq!(ask(&SOURCE_OPTION), Ok(Some(PEER)));
    assert_eq!(ask(&TARGET_OPTION), Ok(None));
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    assert_eq!(ask(&[nonce, SOURCE_OPTION].concat()), Ok(Some(PEER)));
    assert_eq!(ask(&[14, 0, 1, 2, 3, 4, 5, 6]), Err(NdError::Option));
    assert_eq!(ask(&[14, 2, 1, 2, 3, 4, 5, 6]), Err(NdError::Truncated));
    assert_eq!(ask(&[14]), Err(NdError::Truncated));
    assert_eq!(ask(&[1, 1, 3, 0, 0, 0, 0, 2]), Err(NdError::Option));
    assert_eq!(ask(&[1, 1, 0, 0, 0, 0, 0, 0]), Err(NdError::Option));
    let long = [&[1, 2][..], &[2; 14]].concat();
    assert_eq!(ask(&long), Err(NdError::Option));
}

#[test]
fn targets_and_groups_must_be_right() {
    let group = solicited_node(target());
    for kind in [135, 136] {
        assert_eq!(
            from_peer(message(kind, 0, group, &[])),
            Err(NdError::Target)
        );
        let from_group = with_message(ALL_NODES, target(), message(kind, 0, target(), &[]));
        assert_eq!(read(&from_group), Err(NdError::Source));
    }
    let claim = |destination, flags| {
        read(&with_message(
            unicast_peer(),
            destination,
            message(136, flags, target(), &[]),
        ))
    };
    assert_eq!(claim(ALL_NODES, FLAG_SOLICITED), Err(NdError::Solicited));
    assert!(claim(ALL_NODES, FLAG_OVERRIDE).is_ok_and(|message| message.r#override));
    assert!(claim(target(), FLAG_SOLICITED).is_ok_and(|message| message.solicited));
}

#[test]
fn the_unspecified_address_only_detects_duplicates() {
    let from_nobody = |destination, kind, options: &[u8]| {
        let bytes = message(kind, 0, target(), options);
        read(&with_message(Ipv6Addr::UNSPECIFIED, destination, bytes))
    };
    let group = solicited_node(target());
    assert!(from_nobody(group, 135, &[]).is_ok());
    assert_eq!(
        from_nobody(group, 135, &SOURCE_OPTION),
        Err(NdError::Source)
    );
    assert_eq!(from_nobody(target(), 135, &[]), Err(NdError::Source));
    assert_eq!(from_nobody(ALL_NODES, 135, &[]), Err(NdError::Source));
    assert_eq!(from_nobody(ALL_NODES, 136, &[]), Err(NdError::Source));
}
