//! Which slots of a timer wheel hold anything: the next one in constant time.
//!
//! One bit for each slot, and one bit for each word of those that has any.

/// Bits in the map: 64 words of 64.
pub(super) const BITS: usize = 4096;

const WORDS: usize = BITS / 64;

/// A set of numbers below [`BITS`].
#[derive(Debug)]
pub(super) struct Bitmap {
    words: [u64; WORDS],
    summary: u64,
}

impl Bitmap {
    /// The empty set.
    pub(super) const fn new() -> Self {
        Self {
            words: [0; WORDS],
            summary: 0,
        }
    }

    pub(super) fn set(&mut self, bit: usize) {
        self.words[bit / 64] |= 1 << (bit % 64);
        self.summary |= 1 << (bit / 64);
    }

    pub(super) fn clear(&mut self, bit: usize) {
        let word = &mut self.words[bit / 64];
        *word &= !(1 << (bit % 64));
        if *word == 0 {
            self.summary &= !(1 << (bit / 64));
        }
    }

    /// The first number in the set from `from` on; after the last bit comes the first.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let (word, bit) = (from / 64, from % 64);
        let here = self.words[word] & u64::MAX << bit;
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let later = self.summary & (u64::MAX << word) << 1;
        // Around the end, the first word may be this one: what it has then lies before `from`.
        let words = if later == 0 { self.summary } else { later };
        if words == 0 {
            return None;
        }
        let word = words.trailing_zeros() as usize;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn next_is_what_a_sorted_set_says(
            changes in prop::collection::vec((0..BITS, any::<bool>()), 0..80), from in 0..BITS,
        ) {
            let (mut map, mut model) = (Bitmap::new(), BTreeSet::new());
            for (bit, is_set) in changes {
                if is_set {
                    map.set(bit);
                    model.insert(bit);
                } else {
                    map.clear(bit);
                    model.remove(&bit);
                }
                for from in [from, bit, (bit + 1) % BITS] {
                    let expected = model.range(from..).chain(&model).next().copied();
                    prop_assert_eq!(map.next(from), expected);
                }
            }
        }
    }
}
