//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3).
//!
//! A checksum that is updated incrementally stays wrong if it was wrong: damage that happened
//! before Viaduct is still found by the receiver.

/// Sum of 16-bit words before folding. Holds 2^16 words of the largest value.
#[derive(Clone, Copy, Debug, Default)]
struct Sum(u32);

impl Sum {
    fn add(&mut self, word: u16) {
        self.0 += u32::from(word);
    }

    fn folded(self) -> u16 {
        let once = (self.0 & 0xffff) + (self.0 >> 16);
        // Two additions bring any 32-bit sum below 2^16, so this cannot truncate.
        ((once & 0xffff) + (once >> 16)) as u16
    }
}

/// The checksum field's value over `bytes` (RFC 1071), with that field read as it stands.
/// Over a packet with a right checksum the result is 0. At most 64 KiB.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = Sum::default();
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        sum.add(u16::from_be_bytes([word[0], word[1]]));
    }
    if let [last] = words.remainder() {
        sum.add(u16::from_be_bytes([*last, 0]));
    }
    !sum.folded()
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
            sum.add(!u16::from_be_bytes([old[0], old[1]]));
            sum.add(u16::from_be_bytes([new[0], new[1]]));
        }
        Self(sum.folded())
    }

    /// The change of one 16-bit word.
    #[must_use]
    pub fn of_word(old: u16, new: u16) -> Self {
        let mut sum = Sum::default();
        sum.add(!old);
        sum.add(new);
        Self(sum.folded())
    }

    /// Both changes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut sum = Sum::default();
        sum.add(self.0);
        sum.add(other.0);
        Self(sum.folded())
    }

    /// The change back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self(!self.0)
    }

    /// The checksum after the change: `~(~checksum + delta)`.
    #[must_use]
    pub fn apply(self, checksum: u16) -> u16 {
        let mut sum = Sum::default();
        sum.add(!checksum);
        sum.add(self.0);
        !sum.folded()
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
        fn udp_never_becomes_checksumless(old in any::<u16>(), new in any::<u16>(), sum in 1u16..) {
            prop_assert_ne!(Delta::of_word(old, new).apply_udp(sum), 0);
        }
    }
}
