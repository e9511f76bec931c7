//! Lowers the maximum segment size that a TCP end announces (RFC 9293, section 3.7.1), so that
//! segments fit once they are encapsulated.

use zerocopy::FromBytes;

use super::checksum::Delta;
use super::tcp::{self, TcpFlags, TcpHeader};

const OPTION_END: u8 = 0;
const OPTION_NO_OPERATION: u8 = 1;
const OPTION_MSS: u8 = 2;
/// Length of the MSS option: kind, length, and 16 bits.
const OPTION_MSS_LEN: usize = 4;

/// Lowers every MSS option above `limit` in a segment with SYN to `limit`, and adjusts the
/// checksum. `tcp` starts with the TCP header and holds all its options. True if something changed.
///
/// An end that announces no MSS is taken to have the default of RFC 9293, which is left alone: to
/// announce another the header would have to grow.
pub fn clamp(tcp: &mut [u8], limit: u16) -> bool {
    let Some(header_len) = syn_header_len(tcp) else {
        return false;
    };
    let mut changed = false;
    let mut at = tcp::MIN_HEADER_LEN;
    while let Some((kind, len)) = option_at(&tcp[..header_len], at) {
        if kind == OPTION_MSS && len == OPTION_MSS_LEN {
            changed |= clamp_value(tcp, at + 2, limit);
        }
        at += len;
    }
    changed
}

/// The length of the header, if it is all there and of a segment with SYN.
fn syn_header_len(tcp: &[u8]) -> Option<usize> {
    let (header, _) = TcpHeader::ref_from_prefix(tcp).ok()?;
    let len = header.header_len();
    let valid = header.flags.has(TcpFlags::SYN) && len >= tcp::MIN_HEADER_LEN && len <= tcp.len();
    valid.then_some(len)
}

/// Kind and length of the option at `at`; `None` at the end of the list, and where it is broken.
fn option_at(header: &[u8], at: usize) -> Option<(u8, usize)> {
    let kind = *header.get(at)?;
    match kind {
        OPTION_END => None,
        OPTION_NO_OPERATION => Some((kind, 1)),
        _ => {
            let len = usize::from(*header.get(at + 1)?);
            (len >= 2 && at + len <= header.len()).then_some((kind, len))
        }
    }
}

/// Lowers the 16-bit value at `at`, which may be an odd offset: the checksum counts the words that
/// the value lies in.
fn clamp_value(tcp: &mut [u8], at: usize, limit: u16) -> bool {
    if u16::from_be_bytes([tcp[at], tcp[at + 1]]) <= limit {
        return false;
    }
    // A header is a multiple of four bytes long, so that both ends lie within it.
    let words = at & !1..(at + 2).next_multiple_of(2);
    let mut old = [0; 4];
    let old = &mut old[..words.len()];
    old.copy_from_slice(&tcp[words.clone()]);
    tcp[at..at + 2].copy_from_slice(&limit.to_be_bytes());
    let change = Delta::of(old, &tcp[words]);
    if let Ok((header, _)) = TcpHeader::mut_from_prefix(tcp) {
        header.checksum = change.apply(header.checksum.get()).into();
    }
    true
}

#[cfg(test)]
mod tests {
    use etherparse::{TcpOptionElement, TransportHeader};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ip::{AddressPair, Datagram};
    use crate::wire::judge;

    fn syn(options: &[u8]) -> etherparse::TcpHeader {
        let mut header = etherparse::TcpHeader::new(1, 2, 3, 4);
        header.syn = true;
        header.set_options_raw(options).expect("at most 40 bytes");
        header
    }

    fn announced(packet: &[u8]) -> Vec<u16> {
        let headers = judge::judged(packet);
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else {
            panic!("not TCP");
        };
        let options = tcp.options_iterator().filter_map(Result::ok);
        options
            .filter_map(|option| match option {
                TcpOptionElement::MaximumSegmentSize(size) => Some(size),
                _ => None,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn only_lowers_and_keeps_the_checksum(
            addresses in judge::addresses(), size: u16, limit: u16, before in 0usize..5, is_syn: bool,
        ) {
            // NOPs in front of the option put its value at every alignment.
            let mut options = vec![OPTION_NO_OPERATION; before];
            options.extend([OPTION_MSS, 4]);
            options.extend(size.to_be_bytes());
            options.extend([4, 2, 3, 3, 7]);
            let mut header = syn(&options);
            header.syn = is_syn;
            let mut packet = judge::tcp(addresses, header, &[1, 2, 3]);
            let transport = Datagram::read(&packet).expect("a packet").transport;
            let changed = clamp(&mut packet[transport..], limit);
            prop_assert_eq!(changed, is_syn && size > limit);
            prop_assert_eq!(announced(&packet), [if changed { limit } else { size }]);
        }

        #[test]
        fn any_options_are_walked_within_bounds(
            mut tcp in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..80), limit: u16,
        ) {
            if let Some(flags) = tcp.get_mut(13) {
                *flags |= TcpFlags::SYN;
            }
            clamp(&mut tcp, limit);
        }
    }

    #[test]
    fn broken_options_end_the_walk() {
        let addresses = AddressPair::V4 {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
        };
        for options in [
            [0, 2, 4, 5, 0xb4, 0, 0, 0],
            [8, 0, 2, 4, 5, 0xb4, 0, 0],
            [8, 9, 2, 4, 5, 0xb4, 0, 0],
            [2, 3, 0xff, 0xff, 0, 0, 0, 0],
        ] {
            let mut packet = judge::tcp(addresses, syn(&options), &[]);
            assert!(!clamp(&mut packet[20..], 500), "{options:?}");
        }
    }
}
