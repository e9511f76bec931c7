//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3).
//!
//! A checksum that is updated incrementally stays wrong if it was wrong: damage that happened
//! before Viaduct is still found by the receiver.

use super::ip::AddressPair;

/// A checksum in the making: the one's complement sum of 16-bit words, not yet folded.
///
/// Pieces can be added in any order. Only the last piece may have an odd length, for it is read as
/// if a zero byte followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// The pseudo header of TCP, UDP or ICMPv6 (RFC 9293, section 3.1; RFC 8200, section 8.1).
    /// `len` counts the transport header and its payload, in bytes. ICMP for IPv4 has none.
    #[must_use]
    pub fn pseudo_header(addresses: AddressPair, protocol: u8, len: usize) -> Self {
        let sum = match addresses {
            AddressPair::V4 {
                source,
                destination,
            } => Self::default()
                .bytes(&source.octets())
                .bytes(&destination.octets()),
            AddressPair::V6 {
                source,
                destination,
            } => Self::default()
                .bytes(&source.octets())
                .bytes(&destination.octets()),
        };
        Self(sum.0 + u64::from(protocol) + len as u64)
    }

    /// The sum with one more word.
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// The sum with more bytes.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // 2^16 is 1 in this arithmetic (RFC 1071, section 2), so that words can be added two at a
        // time. 2^32 additions fit; packets have fewer than 2^14.
        let mut sum = self.0;
        let mut pairs = bytes.chunks_exact(4);
        for pair in &mut pairs {
            sum += u64::from(u32::from_be_bytes([pair[0], pair[1], pair[2], pair[3]]));
        }
        let mut last = [0; 4];
        let rest = pairs.remainder();
        last[..rest.len()].copy_from_slice(rest);
        Self(sum + u64::from(u32::from_be_bytes(last)))
    }

    /// The value for the checksum field.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }

    /// The value for UDP's checksum field, where 0 would say that there is none (RFC 768).
    #[must_use]
    pub const fn checksum_udp(self) -> u16 {
        match self.checksum() {
            0 => 0xffff,
            sum => sum,
        }
    }

    const fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }
}

/// The checksum field's value over `bytes` (RFC 1071), with that field read as it stands.
/// Over a packet with a right checksum the result is 0.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::default().bytes(bytes).checksum()
}

/// A change to bytes that a checksum covers: `~old + new` over all changed words, folded.
///
/// Deltas add up, so that the change of several fields is one number, known when a flow is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u16);

impl Delta {
    /// The change from `old` to `new`; both of the same even length, at most 64 bytes.
    #[must_use]
    pub fn of(old: &[u8], new: &[u8]) -> Self {
        debug_assert!(old.len() == new.len() && old.len().is_multiple_of(2) && old.len() <= 64);
        let mut sum = Sum::default();
        for (old, new) in old.chunks_exact(2).zip(new.chunks_exact(2)) {
            sum = sum
                .word(!u16::from_be_bytes([old[0], old[1]]))
                .word(u16::from_be_bytes([new[0], new[1]]));
        }
        Self(sum.folded())
    }

    /// The change of one 16-bit word.
    #[must_use]
    pub fn of_word(old: u16, new: u16) -> Self {
        Self(Sum::default().word(!old).word(new).folded())
    }

    /// Both changes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Sum::default().word(self.0).word(other.0).folded())
    }

    /// The change back: what undoes this one.
    #[must_use]
    pub const fn inverse(self) -> Self {
        match !self.0 {
            // The other representation of no change.
            0xffff => Self(0),
            change => Self(change),
        }
    }

    /// The checksum after the change: `~(~checksum + delta)`.
    #[must_use]
    pub fn apply(self, checksum: u16) -> u16 {
        Sum::default().word(!checksum).word(self.0).checksum()
    }

    /// [`Self::apply`] for UDP, where 0 means "no checksum": 0 stays 0, and a result of 0 is
    /// written as its other representation, 0xffff (RFC 768).
    #[must_use]
    pub fn apply_udp(self, checksum: u16) -> u16 {
        match checksum {
            0 => 0,
            checksum => match self.apply(checksum) {
                0 => 0xffff,
                changed => changed,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_1071_example() {
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
        assert_eq!(checksum(&[0xff]), !0xff00);
        assert_eq!(checksum(&vec![0xff; 65536]), 0);
    }

    #[test]
    fn rfc_1624_example() {
        assert_eq!(Delta::of_word(0x5555, 0x3285).apply(0xdd2f), 0x0000);
    }

    #[test]
    fn no_change_is_its_own_inverse() {
        assert_eq!(Delta::default().inverse(), Delta::default());
        assert_eq!(Delta::default().inverse().apply(0xffff), 0xffff);
    }

    #[test]
    fn udp_without_checksum_stays_without() {
        let delta = Delta::of_word(1, 2);
        assert_eq!(delta.apply_udp(0), 0);
    }

    proptest! {
        #[test]
        fn incremental_equals_recomputed(
            mut data in prop::collection::vec(any::<u8>(), 2..120),
            word in any::<prop::sample::Index>(), new in any::<[u8; 8]>(),
        ) {
            data.resize(data.len().next_multiple_of(2) + 8, 0);
            // A covered word that never changes keeps the sum from being all zero, which is the
            // one value that the two ways represent differently (RFC 1624, section 3).
            data.extend([0x40, 0x06]);
            let before = checksum(&data);
            let at = word.index((data.len() - 10) / 2) * 2;
            let delta = Delta::of(&data[at..at + 8], &new);
            data[at..at + 8].copy_from_slice(&new);
            prop_assert_eq!(delta.apply(before), checksum(&data));
        }

        #[test]
        fn deltas_add_up(a in any::<[u16; 2]>(), b in any::<[u16; 2]>(), sum in any::<u16>()) {
            let (first, second) = (Delta::of_word(a[0], a[1]), Delta::of_word(b[0], b[1]));
            let one_by_one = second.apply(first.apply(sum));
            let at_once = first.and(second).apply(sum);
            // 0 and 0xffff are the same number in one's complement.
            prop_assert_eq!(one_by_one % 0xffff, at_once % 0xffff);
        }

        #[test]
        fn the_inverse_undoes(old in any::<[u8; 16]>(), new in any::<[u8; 16]>(), sum in any::<u16>()) {
            let delta = Delta::of(&old, &new);
            prop_assert_eq!(delta.inverse().apply(delta.apply(sum)) % 0xffff, sum % 0xffff);
            prop_assert_eq!(delta.inverse().inverse().apply(sum) % 0xffff, delta.apply(sum) % 0xffff);
            let back = Delta::of(&new, &old);
            prop_assert_eq!(delta.inverse().apply(sum) % 0xffff, back.apply(sum) % 0xffff);
        }

        #[test]
        fn pieces_sum_to_the_whole(
            data in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(),
        ) {
            let (front, back) = data.split_at(cut.index(data.len() / 2 + 1) * 2);
            let pieces = Sum::default().bytes(front).bytes(back);
            prop_assert_eq!(pieces.checksum(), checksum(&data));
            let judge = etherparse::checksum::Sum16BitWords::new().add_slice(&data);
            prop_assert_eq!(checksum(&data), judge.ones_complement().to_be());
        }

        #[test]
        fn pseudo_headers_are_those_of_the_judge(
            addresses in crate::wire::judge::addresses(), payload in prop::collection::vec(any::<u8>(), 0..99),
        ) {
            let len = 8 + payload.len();
            let header = etherparse::UdpHeader {
                source_port: 53, destination_port: 53, length: len as u16, checksum: 0,
            };
            let expected = match addresses {
                AddressPair::V4 { source, destination } =>
                    header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), &payload),
                AddressPair::V6 { source, destination } =>
                    header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), &payload),
            };
            let sum = Sum::pseudo_header(addresses, 17, len).bytes(&header.to_bytes()).bytes(&payload);
            prop_assert_eq!(Ok(sum.checksum_udp()), expected);
        }

        #[test]
        fn udp_never_becomes_checksumless(old in any::<u16>(), new in any::<u16>(), sum in 1u16..) {
            prop_assert_ne!(Delta::of_word(old, new).apply_udp(sum), 0);
        }
    }
}
