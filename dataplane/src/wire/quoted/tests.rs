use proptest::prelude::*;

use super::*;
use crate::wire::judge;
use crate::wire::tunnel::{
    Encapsulation, GueVariant, InnerFacts, OuterDscp, OuterParams, overhead, write_outer,
};

const GUE_PORT: u16 = 6080;

/// A packet of either protocol between these endpoints.
fn packet(to: &Endpoints, protocol: Protocol, data: &[u8]) -> Vec<u8> {
    let (source, destination) = (to.source_port, to.destination_port);
    match protocol {
        Protocol::Tcp => {
            let header = etherparse::TcpHeader::new(source, destination, 7, 8);
            judge::tcp(to.addresses, header, data)
        }
        Protocol::Udp => judge::udp(to.addresses, (source, destination), data),
    }
}

/// "Unreachable" about a packet, from and to these addresses, with a checksum by the judge.
fn message(outside: AddressPair, quote: &[u8]) -> Vec<u8> {
    let header = |kind| {
        etherparse::Icmpv4Header::new(etherparse::Icmpv4Type::Unknown {
            type_u8: kind,
            code_u8: 1,
            bytes5to8: [0; 4],
        })
    };
    let kind = match outside.family() {
        Family::V4 => icmp::UNREACHABLE,
        Family::V6 => icmpv6::UNREACHABLE,
    };
    let mut message = [&header(kind).to_bytes()[..], quote].concat();
    message[2..4].fill(0);
    let sum = match outside.family() {
        Family::V4 => etherparse::checksum::Sum16BitWords::new()
            .add_slice(&message)
            .ones_complement()
            .to_be(),
        Family::V6 => {
            judge::transport_sum(outside.source(), outside.destination(), 58, &message).to_be()
        }
    };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Pairs of one family.
fn pairs() -> impl Strategy<Value = [AddressPair; 3]> {
    prop_oneof![
        prop::array::uniform3(judge::addresses_v4()),
        prop::array::uniform3(judge::addresses_v6()),
    ]
}

fn protocols() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)]
}

fn endpoints(addresses: AddressPair, ports: (u16, u16)) -> Endpoints {
    Endpoints {
        addresses,
        source_port: ports.0,
        destination_port: ports.1,
    }
}

proptest! {
    /// The judge builds the packet that was sent and the packet that it was before translation;
    /// the quote of the first must become the quote of the second, wherever it is cut.
    #[test]
    fn a_translated_quote_is_the_quote_of_the_other_packet(
        [before, after, outside] in pairs(), protocol in protocols(), ports: [(u16, u16); 2],
        data in prop::collection::vec(any::<u8>(), 0..64), cut in any::<prop::sample::Index>(),
        zero_checksum: bool,
    ) {
        let (from, to) = (endpoints(before, ports[0]), endpoints(after, ports[1]));
        let mut pair = [packet(&from, protocol, &data), packet(&to, protocol, &data)];
        let ip = before.family().header_len();
        if protocol == Protocol::Udp && zero_checksum {
            pair.iter_mut().for_each(|packet| packet[ip + 6..ip + 8].fill(0));
        }
        let len = ip + 8 + cut.index(pair[0].len() - ip - 7);
        // Of half a checksum the other half is needed to change it.
        prop_assume!(protocol == Protocol::Udp || len != ip + 17);
        let [mut arrived, expected] = pair.map(|packet| message(outside, &packet[..len]));

        let quoted = Quoted::read(&arrived, 8).expect("a quote");
        prop_assert_eq!((quoted.addresses, quoted.protocol), (before, protocol));
        prop_assert_eq!((quoted.source_port, quoted.destination_port), ports[0]);
        prop_assert_eq!((quoted.ip_offset, quoted.transport_offset), (8, 8 + ip));
        prop_assert!(quoted.translate(&mut arrived, &to, outside));
        prop_assert_eq!(arrived, expected);
    }

    #[test]
    fn too_little_is_not_read(
        addresses in judge::addresses(), protocol in protocols(), cut in any::<prop::sample::Index>(),
    ) {
        let whole = packet(&endpoints(addresses, (1, 2)), protocol, &[]);
        let len = cut.index(addresses.family().header_len() + 8);
        prop_assert_eq!(Quoted::read(&message(addresses, &whole[..len]), 8), None);
    }

    #[test]
    fn tunnels_are_found(
        outer in judge::addresses(), inner in judge::addresses(), cut in any::<prop::sample::Index>(),
        form in 0usize..3,
    ) {
        let gue = |variant| Encapsulation::Gue { port: GUE_PORT, variant };
        let forms = [Encapsulation::Ip, gue(GueVariant::Header), gue(GueVariant::Direct)];
        let carried = packet(&endpoints(inner, (1, 2)), Protocol::Tcp, &[1, 2, 3]);
        let facts = InnerFacts::read(&carried, 77).expect("a packet");
        let params = OuterParams {
            addresses: outer, encapsulation: forms[form], ttl: 9, dscp: OuterDscp::Copy, identification: 0,
        };
        let front = overhead(outer.family(), forms[form]);
        let mut whole = vec![0; front];
        prop_assert_eq!(write_outer(&mut whole, &params, &facts), Some(front));
        whole.extend(&carried);
        let least = outer.family().header_len() + 8;
        let len = least + cut.index(whole.len() - least + 1);
        let message = message(outer, &whole[..len]);

        let tunnel = QuotedTunnel::read(&message, 8, GUE_PORT).expect("a tunnel");
        prop_assert_eq!(tunnel.outer, outer);
        let is_quoted = len >= front + inner.family().header_len();
        prop_assert_eq!(tunnel.inner_offset, is_quoted.then_some(8 + front));
        if let Some(at) = tunnel.inner_offset {
            let quoted = Quoted::read(&message, at);
            let has_ports = len >= front + inner.family().header_len() + 8;
            prop_assert_eq!(quoted.map(|quoted| quoted.addresses), has_ports.then_some(inner));
        }
    }

    #[test]
    fn any_bytes_are_read_and_translated_within_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..160), kind in 0u8..13, is_v6: bool,
        next in prop_oneof![Just(6u8), Just(17), Just(4), Just(41), Just(0), Just(44), Just(60)],
        [_, to, outside] in pairs(), shorter in any::<prop::sample::Index>(),
    ) {
        let mut bytes = bytes;
        if bytes.len() > 40 {
            bytes[0] = kind;
            bytes[8] = if is_v6 { 0x60 } else { 0x45 };
            bytes[if is_v6 { 14 } else { 17 }] = next;
        }
        let _ = QuotedTunnel::read(&bytes, 8, GUE_PORT);
        if let Some(quoted) = Quoted::read(&bytes, 8) {
            bytes.truncate(shorter.index(bytes.len() + 1));
            let _ = quoted.translate(&mut bytes, &endpoints(to, (3, 4)), outside);
        }
    }
}

fn v4() -> Endpoints {
    let (source, destination) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let addresses = AddressPair::V4 {
        source,
        destination,
    };
    endpoints(addresses, (1000, 80))
}

#[test]
fn what_is_not_a_first_part_of_tcp_or_udp_is_not_read() {
    let mut whole = packet(&v4(), Protocol::Tcp, &[]);
    let read = |packet: &[u8]| Quoted::read(&message(v4().addresses, packet), 8);
    whole[7] = 1;
    assert_eq!(read(&whole), None, "a later fragment");
    (whole[6], whole[7]) = (0x20, 0);
    assert!(read(&whole).is_some(), "a first fragment");
    whole[9] = 1;
    assert_eq!(read(&whole), None, "ICMP");
    whole[0] = 0x55;
    assert_eq!(read(&whole), None, "no version of IP");
}

#[test]
fn a_checksum_is_not_sought_in_extensions() {
    let whole = packet(&v4(), Protocol::Tcp, &[9; 40]);
    let mut message = message(v4().addresses, &whole);
    let read = |message: &[u8]| Quoted::read(message, 8).expect("a quote").checksum_offset;
    assert_eq!(read(&message), Some(8 + 20 + 16));
    // The quote is said to be 28 bytes long; what follows is something else (RFC 4884).
    message[5] = 7;
    assert_eq!(read(&message), None);
}

#[test]
fn nothing_is_translated_to_the_other_family() {
    let mut arrived = message(v4().addresses, &packet(&v4(), Protocol::Udp, &[]));
    let before = arrived.clone();
    let quoted = Quoted::read(&arrived, 8).expect("a quote");
    let address = std::net::Ipv6Addr::LOCALHOST;
    let addresses = AddressPair::V6 {
        source: address,
        destination: address,
    };
    assert!(!quoted.translate(&mut arrived, &endpoints(addresses, (1, 2)), addresses));
    assert_eq!(arrived, before);
}

#[test]
fn other_udp_is_no_tunnel() {
    let message = message(v4().addresses, &packet(&v4(), Protocol::Udp, &[0x45; 40]));
    assert_eq!(QuotedTunnel::read(&message, 8, GUE_PORT), None);
    assert!(QuotedTunnel::read(&message, 8, 80).is_some());
    let message = self::message(v4().addresses, &packet(&v4(), Protocol::Tcp, &[]));
    assert_eq!(QuotedTunnel::read(&message, 8, GUE_PORT), None);
}
