use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv6Extensions, Ipv6FragmentHeader, Ipv6RawExtHeader,
    Ipv6RoutingExtensions, PacketBuilder,
};
use proptest::option;
use proptest::prelude::*;

use super::*;

/// Padding of an options header of `units` times 8 bytes behind its first 8.
fn padding(units: usize) -> Ipv6RawExtHeader {
    let bytes = vec![0; 6 + units * 8];
    Ipv6RawExtHeader::new_raw(IpNumber::TCP, &bytes).expect("a multiple of 8")
}

/// A routing header of type 4 (segment routing) at its end.
fn routing(units: usize) -> Ipv6RawExtHeader {
    let mut bytes = vec![0; 6 + units * 8];
    bytes[0] = 4;
    Ipv6RawExtHeader::new_raw(IpNumber::TCP, &bytes).expect("a multiple of 8")
}

fn fragment(offset: u16, more: bool, id: u32) -> Ipv6FragmentHeader {
    let offset = IpFragOffset::try_new(offset).expect("13 bits");
    Ipv6FragmentHeader::new(IpNumber::TCP, offset, more, id)
}

/// The payload of a TCP segment behind these extensions, and the first header's number.
fn payload(extensions: Ipv6Extensions, data: &[u8]) -> (Vec<u8>, u8) {
    let header = etherparse::Ipv6Header {
        source: [0x20; 16],
        destination: [0x21; 16],
        ..Default::default()
    };
    let mut packet = Vec::new();
    PacketBuilder::ip(IpHeaders::Ipv6(header, extensions))
        .tcp(1, 2, 3, 4)
        .write(&mut packet, data)
        .expect("a packet");
    (packet.split_off(40), packet[6])
}

fn walked(bytes: &[u8]) -> Result<Chain, ExtensionError> {
    walk_extensions(&bytes[1..], bytes[0])
}

proptest! {
    #[test]
    fn finds_the_transport_header_like_the_judge(
        hop_by_hop in option::of(0usize..3), destination in option::of(0usize..3),
        route in option::of((0usize..3, option::of(0usize..3))),
        part in option::of((any::<bool>(), any::<u32>())),
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let data = &data[..data.len() / 8 * 8 ];
        // 20 bytes of TCP and 4 more end on an 8-byte boundary.
        let data = [data, &[0; 4]].concat();
        let extensions = Ipv6Extensions {
            hop_by_hop_options: hop_by_hop.map(padding),
            destination_options: destination.map(padding),
            routing: route.map(|(units, last)| Ipv6RoutingExtensions {
                routing: routing(units),
                final_destination_options: last.map(padding),
            }),
            fragment: part.map(|(more, id)| fragment(0, more, id)),
            auth: None,
        };
        let expected = extensions.header_len();
        let (bytes, first) = payload(extensions, &data);
        let chain = walk_extensions(&bytes, first).expect("a good chain");
        prop_assert_eq!(chain.protocol, 6);
        prop_assert_eq!(chain.offset, expected);
        prop_assert_eq!(chain.fragment, part.map(|(more, id)| Fragment6 { id, offset: 0, more }));
        prop_assert_eq!(walk_cut(&bytes, first), Ok(chain));
    }

    #[test]
    fn a_later_fragment_ends_the_walk(
        offset in 1u16..0x1ff0, more: bool, id: u32, data in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut bytes = fragment(offset, more, id).to_bytes().to_vec();
        // What follows is the middle of something, even if its number is that of an extension.
        bytes[0] = DESTINATION_OPTIONS;
        bytes.extend(data.repeat(8));
        let chain = walk_extensions(&bytes, FRAGMENT).expect("a fragment");
        let expected = Fragment6 { id, offset: offset * 8, more };
        prop_assert_eq!(chain.fragment, Some(expected));
        prop_assert_eq!((chain.protocol, chain.offset), (DESTINATION_OPTIONS, 8));
        prop_assert!(!expected.is_first() && !expected.is_atomic());
    }

    #[test]
    fn any_bytes_are_walked_within_bounds(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(43), Just(44), Just(60), any::<u8>()], 1..400),
    ) {
        if let Ok(chain) = walked(&bytes) {
            prop_assert!(chain.offset < bytes.len() && chain.offset <= MAX_CHAIN_LEN);
        }
    }
}

#[test]
fn atomic_fragments_are_told_apart() {
    let part = |offset, more| Fragment6 {
        id: 1,
        offset,
        more,
    };
    assert!(part(0, false).is_atomic());
    assert!(!part(0, true).is_atomic() && part(0, true).is_first());
    assert!(!part(8, false).is_atomic());
}

#[test]
fn nothing_to_walk() {
    for protocol in [6, 17, 58, NO_NEXT_HEADER, 50, 51, 135, 255] {
        let chain = walk_extensions(&[], protocol).expect("no extensions");
        let expected = Chain {
            protocol,
            offset: 0,
            fragment: None,
        };
        assert_eq!(chain, expected);
    }
}

#[test]
fn chains_that_are_refused() {
    // Each case: the first header's number, then the bytes.
    let routing_type_0 = [43, 6, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(walked(&routing_type_0), Err(ExtensionError::Routing));
    let segments_left = [43, 6, 0, 4, 1, 0, 0, 0, 0];
    assert_eq!(walked(&segments_left), Err(ExtensionError::Routing));
    let short = [60, 6, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(walked(&short), Err(ExtensionError::Truncated));
    assert_eq!(walked(&short[..8]), Err(ExtensionError::Truncated));

    let mut late_hop_by_hop = [0; 17];
    (late_hop_by_hop[0], late_hop_by_hop[1], late_hop_by_hop[9]) = (60, 0, 6);
    assert_eq!(walked(&late_hop_by_hop), Err(ExtensionError::Order));

    let mut fragments = [0; 25];
    (fragments[0], fragments[1], fragments[9]) = (44, 44, 6);
    assert_eq!(walked(&fragments), Err(ExtensionError::Order));
}

#[test]
fn fragments_have_possible_lengths() {
    let walk = |offset, more, len: usize| {
        let mut bytes = fragment(offset, more, 9).to_bytes().to_vec();
        bytes.resize(8 + len, 0);
        walk_extensions(&bytes, FRAGMENT).map(|chain| chain.offset)
    };
    assert_eq!(walk(1, true, 16), Ok(8));
    assert_eq!(walk(1, true, 15), Err(ExtensionError::Fragment));
    assert_eq!(walk(1, false, 15), Ok(8));
    assert_eq!(walk(1, false, 0), Err(ExtensionError::Fragment));
    assert_eq!(walk(0x1fff, false, 7), Ok(8));
    assert_eq!(walk(0x1fff, false, 8), Err(ExtensionError::Fragment));
}

#[test]
fn the_chain_is_bounded() {
    let options = |count: usize, units: u8| {
        let len = (usize::from(units) + 1) * 8;
        let mut bytes = vec![0; count * len + 20];
        for at in 0..count {
            let next = if at + 1 == count { 6 } else { 60 };
            (bytes[at * len], bytes[at * len + 1]) = (next, units);
        }
        walk_extensions(&bytes, DESTINATION_OPTIONS).map(|chain| chain.offset)
    };
    assert_eq!(options(8, 0), Ok(64));
    assert_eq!(options(9, 0), Err(ExtensionError::TooLong));
    assert_eq!(options(8, 2), Ok(MAX_CHAIN_LEN));
    assert_eq!(options(7, 3), Err(ExtensionError::TooLong));
    assert_eq!(options(1, 23), Ok(MAX_CHAIN_LEN));
    assert_eq!(options(1, 24), Err(ExtensionError::TooLong));
}
