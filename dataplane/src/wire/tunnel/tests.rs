use etherparse::{NetHeaders, TransportHeader};
use proptest::prelude::*;

use super::*;
use crate::wire::judge;

fn encapsulation() -> impl Strategy<Value = Encapsulation> {
    let gue = |(port, is_direct)| Encapsulation::Gue {
        port,
        variant: if is_direct {
            GueVariant::Direct
        } else {
            GueVariant::Header
        },
    };
    prop_oneof![Just(Encapsulation::Ip), any::<(u16, bool)>().prop_map(gue)]
}

prop_compose! {
    fn params()(
        addresses in judge::addresses(), encapsulation in encapsulation(), ttl: u8,
        fixed in prop::option::of(0u8..64), identification: u16,
    ) -> OuterParams {
        let dscp = fixed.map_or(OuterDscp::Copy, OuterDscp::Fixed);
        OuterParams { addresses, encapsulation, ttl, dscp, identification }
    }
}

/// A packet with these fields of its IP header.
fn inner(addresses: AddressPair, traffic_class: u8, dont_fragment: bool, size: usize) -> Vec<u8> {
    let mut packet = judge::udp(addresses, (1, 2), &vec![3; size]);
    match addresses.family() {
        Family::V4 => {
            packet[1] = traffic_class;
            packet[6] = if dont_fragment { 0x40 } else { 0 };
        }
        Family::V6 => {
            packet[0] |= traffic_class >> 4;
            packet[1] |= traffic_class << 4;
        }
    }
    packet
}

/// What the judge reads in the outer IP header: traffic class, TTL, DF, ID, flow label, protocol.
fn outer_fields(net: &NetHeaders) -> (u8, u8, bool, u16, u32, u8) {
    match net {
        NetHeaders::Ipv4(ip, _) => {
            let class = ip.dscp.value() << 2 | ip.ecn.value();
            let (id, protocol) = (ip.identification, ip.protocol.0);
            (class, ip.time_to_live, ip.dont_fragment, id, 0, protocol)
        }
        NetHeaders::Ipv6(ip, _) => {
            let label = ip.flow_label.value();
            let protocol = ip.next_header.0;
            (ip.traffic_class, ip.hop_limit, true, 0, label, protocol)
        }
        NetHeaders::Arp(_) => panic!("not IP"),
    }
}

proptest! {
    #[test]
    fn outer_headers_are_as_the_rfcs_say(
        outer in params(), addresses in judge::addresses(), traffic_class: u8, dont_fragment: bool,
        size in 0usize..300, flow_hash: u32,
    ) {
        let packet = inner(addresses, traffic_class, dont_fragment, size);
        let facts = InnerFacts::read(&packet, flow_hash).expect("a packet");
        let expected = overhead(outer.addresses.family(), outer.encapsulation);
        let mut whole = vec![0xaa; expected];
        prop_assert_eq!(write_outer(&mut whole, &outer, &facts), Some(expected));
        prop_assert_eq!(write_outer(&mut vec![0; expected - 1], &outer, &facts), None);
        whole.extend(&packet);

        let headers = judge::judged(&whole);
        let net = headers.net.as_ref().expect("IP");
        let (class, ttl, forbids, id, label, protocol) = outer_fields(net);
        prop_assert_eq!(class & 3, traffic_class & 3, "ECN (RFC 6040)");
        let dscp = match outer.dscp { OuterDscp::Copy => traffic_class >> 2, OuterDscp::Fixed(dscp) => dscp };
        prop_assert_eq!(class >> 2, dscp);
        prop_assert_eq!(ttl, outer.ttl);
        let may_fragment = addresses.family() == Family::V4 && !dont_fragment;
        if outer.addresses.family() == Family::V4 {
            prop_assert_eq!(forbids, !may_fragment);
            prop_assert_eq!(id, if may_fragment { outer.identification } else { 0 });
        } else {
            prop_assert_ne!(label, 0);
            prop_assert!(flow_hash & 0xfffff == 0 || label == flow_hash & 0xfffff);
        }
        match outer.encapsulation {
            Encapsulation::Ip => {
                let number = if addresses.family() == Family::V4 { 4 } else { 41 };
                prop_assert_eq!(protocol, number);
            }
            Encapsulation::Gue { port, .. } => {
                let Some(TransportHeader::Udp(udp)) = &headers.transport else { panic!("not UDP") };
                prop_assert_eq!(udp.destination_port, port);
                prop_assert!(udp.source_port >= 0xc000);
                prop_assert_eq!(u32::from(udp.source_port & 0x3fff), flow_hash & 0x3fff);
                prop_assert_eq!(udp.checksum, 0);
                let carried = headers.payload.slice();
                let start = gue_header_len(carried).expect("GUE");
                prop_assert_eq!(&carried[start..], &packet[..]);
            }
        }
        prop_assert!(whole.ends_with(&packet));
    }

    #[test]
    fn nothing_longer_than_ip_allows_is_written(outer in params(), len in 65400usize..66000, is_v6: bool) {
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let facts = InnerFacts { family, traffic_class: 0, dont_fragment: true, len, flow_hash: 0 };
        let overhead = overhead(outer.addresses.family(), outer.encapsulation);
        let payload = match outer.addresses.family() {
            Family::V4 => len + overhead,
            Family::V6 => len + overhead - 40,
        };
        let written = write_outer(&mut [0; 60], &outer, &facts);
        prop_assert_eq!(written.is_some(), payload <= 0xffff);
    }
}

#[test]
fn overheads() {
    let gue = |variant| Encapsulation::Gue {
        port: GUE_PORT,
        variant,
    };
    assert_eq!(overhead(Family::V4, Encapsulation::Ip), 20);
    assert_eq!(overhead(Family::V6, Encapsulation::Ip), 40);
    assert_eq!(overhead(Family::V4, gue(GueVariant::Direct)), 28);
    assert_eq!(overhead(Family::V6, gue(GueVariant::Header)), 52);
}

#[test]
fn a_flow_always_has_a_label() {
    assert_eq!(flow_label(0x1234_5678), 0x4_5678);
    assert_ne!(flow_label(0xfff0_0000), 0);
}

#[test]
fn gue_headers() {
    assert_eq!(gue_header_len(&[0x00, 4, 0, 0]), Some(4));
    assert_eq!(gue_header_len(&[0x02, 41, 0x80, 0]), Some(12));
    assert_eq!(gue_header_len(&[0x45, 0]), Some(0));
    assert_eq!(gue_header_len(&[0x60, 0]), Some(0));
    assert_eq!(gue_header_len(&[0x20, 4, 0, 0]), None, "control message");
    assert_eq!(gue_header_len(&[0x00, 17, 0, 0]), None, "not IP");
    assert_eq!(gue_header_len(&[0x80, 4]), None, "no such variant");
    assert_eq!(gue_header_len(&[0x45]), None);
}
