use etherparse::icmpv4::{DestUnreachableHeader, TimeExceededCode};
use etherparse::icmpv6::{DestUnreachableCode, TimeExceededCode as TimeExceededCode6};
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, TransportHeader};
use proptest::prelude::*;

use super::*;
use crate::wire::judge;

const TOO_BIG: Problem = Problem::TooBig { mtu: 1400 };
const PROBLEMS: [Problem; 5] = [
    Problem::PortUnreachable,
    Problem::HostUnreachable,
    Problem::Prohibited,
    TOO_BIG,
    Problem::HopsExceeded,
];

/// What the judge calls a problem.
fn expected(problem: Problem, family: Family) -> TransportHeader {
    use DestUnreachableCode as Code6;
    use DestUnreachableHeader as Code4;
    let v4 = |code| Icmpv4Type::DestinationUnreachable(code);
    let v6 = |code| Icmpv6Type::DestinationUnreachable(code);
    let (v4, v6) = match problem {
        Problem::PortUnreachable => (v4(Code4::Port), v6(Code6::Port)),
        Problem::HostUnreachable => (v4(Code4::Host), v6(Code6::Address)),
        Problem::Prohibited => (v4(Code4::FilterProhibited), v6(Code6::Prohibited)),
        Problem::TooBig { mtu } => (
            v4(Code4::FragmentationNeeded { next_hop_mtu: mtu }),
            Icmpv6Type::PacketTooBig {
                mtu: u32::from(mtu),
            },
        ),
        Problem::HopsExceeded => (
            Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),
            Icmpv6Type::TimeExceeded(TimeExceededCode6::HopLimitExceeded),
        ),
    };
    match family {
        Family::V4 => TransportHeader::Icmpv4(etherparse::Icmpv4Header::new(v4)),
        Family::V6 => TransportHeader::Icmpv6(etherparse::Icmpv6Header::new(v6)),
    }
}

fn without_checksum(mut header: TransportHeader) -> TransportHeader {
    match &mut header {
        TransportHeader::Icmpv4(header) => header.checksum = 0,
        TransportHeader::Icmpv6(header) => header.checksum = 0,
        _ => {}
    }
    header
}

proptest! {
    #[test]
    fn quotes_as_much_as_it_may(
        addresses in judge::addresses(), from in judge::addresses(), size in 0usize..2000,
        index in 0..PROBLEMS.len(), padding in 0usize..8,
    ) {
        let (problem, family) = (PROBLEMS[index], addresses.family());
        let original = judge::udp(addresses, (1000, 53), &vec![7; size]);
        let mut arrived = original.clone();
        arrived.resize(original.len() + padding, 0xee);
        let mut packet = vec![0xaa; MAX_LEN_V6];
        let written = write(&mut packet, from.source(), problem, &arrived);
        prop_assert_eq!(written.is_some(), from.family() == family);
        let Some(len) = written else { return Ok(()) };
        prop_assert_eq!(len, max_len(family).min(original.len() + family.header_len() + 8));
        let packet = &packet[..len];
        let headers = judge::judged(packet);
        let transport = headers.transport.clone().expect("ICMP");
        prop_assert_eq!(without_checksum(transport), without_checksum(expected(problem, family)));
        let outside = Datagram::read(packet).expect("a packet");
        prop_assert_eq!(outside.addresses.source(), from.source());
        prop_assert_eq!(outside.addresses.destination(), addresses.source());
        prop_assert!(original.starts_with(headers.payload.slice()));
        // An error is never answered, and neither is a packet too short for it written.
        prop_assert!(may_answer(&arrived, problem) && !may_answer(packet, problem));
        prop_assert_eq!(write(&mut vec![0; len - 1], from.source(), problem, &arrived), None);
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..100), version in 0u8..2) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = [0x45, 0x60][usize::from(version)];
        }
        let _ = may_answer(&bytes, TOO_BIG);
        let mut packet = [0; 300];
        for source in [IpAddr::from([10, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
            let _ = write(&mut packet, source, TOO_BIG, &bytes);
        }
    }
}

fn udp(source: &str, destination: &str) -> Vec<u8> {
    let address = |text: &str| text.parse().expect("an address");
    let pair = AddressPair::new(address(source), address(destination)).expect("one family");
    judge::udp(pair, (1, 2), &[])
}

#[test]
fn only_what_one_host_sent_to_one_is_answered() {
    let unanswered = |source, destination| {
        let packet = udp(source, destination);
        assert!(!may_answer(&packet, Problem::PortUnreachable), "{source}");
    };
    unanswered("0.0.0.0", "192.0.2.1");
    unanswered("127.0.0.1", "192.0.2.1");
    unanswered("224.0.0.1", "192.0.2.1");
    unanswered("192.0.2.1", "224.0.0.251");
    unanswered("192.0.2.1", "255.255.255.255");
    unanswered("::", "2001:db8::1");
    unanswered("ff02::1", "2001:db8::1");
    unanswered("2001:db8::1", "ff02::1");
    assert!(may_answer(&udp("2001:db8::1", "ff02::1"), TOO_BIG));
    assert!(!may_answer(&udp("192.0.2.1", "224.0.0.251"), TOO_BIG));
}

#[test]
fn later_fragments_are_not_answered() {
    let mut packet = udp("192.0.2.1", "192.0.2.2");
    packet[7] = 1;
    assert!(!may_answer(&packet, Problem::PortUnreachable));
    (packet[6], packet[7]) = (0x20, 0);
    assert!(may_answer(&packet, Problem::PortUnreachable));
}

#[test]
fn queries_are_answered_but_no_errors() {
    let answered = |packet: &[u8]| may_answer(packet, Problem::HopsExceeded);
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9);
    let written = builder.icmpv4_echo_request(1, 2).write(&mut packet, &[]);
    written.expect("a packet");
    assert!(answered(&packet));
    for kind in [3, 4, 5, 11, 12, 99] {
        packet[20] = kind;
        assert!(!answered(&packet), "type {kind}");
    }
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv6([0x20; 16], [0x21; 16], 9);
    let written = builder.icmpv6_echo_request(1, 2).write(&mut packet, &[]);
    written.expect("a packet");
    assert!(answered(&packet));
    for kind in [1, 4, 127, 137] {
        packet[40] = kind;
        assert!(!answered(&packet), "type {kind}");
    }
}

#[test]
fn no_ipv6_host_is_told_less_than_the_least_mtu() {
    let original = udp("2001:db8::1", "2001:db8::2");
    let mut packet = [0; 200];
    let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
    let problem = Problem::TooBig { mtu: 576 };
    let len = write(&mut packet, source.into(), problem, &original).expect("room");
    let headers = judge::judged(&packet[..len]);
    let Some(TransportHeader::Icmpv6(header)) = headers.transport else {
        panic!("not ICMPv6");
    };
    assert_eq!(header.icmp_type, Icmpv6Type::PacketTooBig { mtu: 1280 });
}
