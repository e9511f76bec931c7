//! What becomes of a segment besides its addresses: the size that a SYN announces, and padding.

use etherparse::{TcpHeader, TcpOptionElement, TcpOptions};

use super::*;
use crate::table::Mode;
use crate::wire::tunnel::GUE_PORT;

/// A SYN that announces segments of 1460 bytes, among other options.
fn syn(from: End, to: End, flags: &str) -> Vec<u8> {
    let options = [
        TcpOptionElement::Timestamp(1, 2),
        TcpOptionElement::MaximumSegmentSize(1460),
        TcpOptionElement::WindowScale(7),
    ];
    let mut header = TcpHeader::new(from.1.port(), to.1.port(), 7, 1000);
    header.options = TcpOptions::try_from_elements(&options).expect("they fit");
    tcp_from(between(from, to, PLAIN), header, flags, b"")
}

/// The segment size that a frame announces, in a tunnel or not.
fn announced(mode: Mode, frame: &[u8]) -> u16 {
    let frame = match mode.is_tunnel() {
        true => [&frame[..12], &ethertype(&inner(frame)), &inner(frame)].concat(),
        false => frame.to_vec(),
    };
    assert_eq!(verify(&frame, true), Ok(()));
    let options: Vec<_> = tcp_header(&frame).options_iterator().collect();
    assert!(options.contains(&Ok(TcpOptionElement::Timestamp(1, 2))));
    assert!(options.contains(&Ok(TcpOptionElement::WindowScale(7))));
    let size = options.iter().find_map(|option| match option {
        Ok(TcpOptionElement::MaximumSegmentSize(size)) => Some(*size),
        _ => None,
    });
    size.expect("it announces one")
}

fn inner(frame: &[u8]) -> Vec<u8> {
    let outside = outer(frame);
    assert!(outside.ports.is_none_or(|ports| ports[1] == GUE_PORT));
    outside.inner
}

fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    }
}

#[test]
fn a_service_lowers_the_segment_size_that_is_announced_and_never_raises_it() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        for (limit, expected) in [(None, 1460), (Some(1300), 1300), (Some(1461), 1460)] {
            let policy = Policy {
                max_segment: limit,
                ..policy(mode)
            };
            let mut rig = wide_rig(1, &policy);
            let (client, vip) = (net.client(4000), net.vip());
            let request = rig.exchange(0, &syn(client, vip, "S"));
            assert_eq!(announced(mode, &request), expected, "{net:?} {mode:?}");
            if mode.returns_through_us() {
                let (from, to) = reply_ends(&seen(&request));
                let reply = rig.exchange(0, &syn(from, to, "SA"));
                assert_eq!(announced(mode, &reply), expected, "{net:?} {mode:?}");
            }
        }
    }
}

#[test]
fn ethernet_padding_does_not_go_on() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let packet = udp(client, vip, b"x");
        let exact = rig.exchange(0, &packet);
        let padded = rig.exchange(0, &[&packet[..], &[0xaa; 17]].concat());
        assert_eq!(padded.len(), exact.len(), "{net:?} {mode:?}");
        if mode.returns_through_us() {
            let (from, to) = reply_ends(&seen(&exact));
            let reply = udp(from, to, b"y");
            let padded = rig.exchange(0, &[&reply[..], &[0xaa; 17]].concat());
            assert_eq!(padded.len(), reply.len());
        }
    }
}
