//! From hash to flow, in two cache lines at most.
//!
//! Every key has two candidate buckets of one cache line each; a new key goes to the emptier one.
//! With two choices and a fill of at most one half, a bucket of eight overflows so rarely that an
//! overflow is treated as "table full". A bucket holds, for each place, 16 bits of the hash to
//! compare with (all eight at once) and the reference of the flow; keys themselves are compared in
//! the flow, which the packet needs anyway.
//!
//! ```text
//! bucket (64 bytes):  | tag ×8 (16 B) | reference ×8 (32 B) | unused (16 B) |
//! ```
//! Prefetching both candidates of all packets of a burst before looking at the first lets the
//! memory accesses overlap.

use crate::dpdk::prefetch::prefetch_read;

/// Places in a bucket.
const WAYS: usize = 8;

/// A reference that means "empty".
const EMPTY: u32 = u32::MAX;

/// What the index stores for a key: a flow and a direction, chosen by the table.
pub(super) type Reference = u32;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; WAYS],
    references: [Reference; WAYS],
}

const VACANT: Bucket = Bucket {
    tags: [0; WAYS],
    references: [EMPTY; WAYS],
};

impl Bucket {
    fn used(&self) -> usize {
        self.references.iter().filter(|&&r| r != EMPTY).count()
    }

    /// Bit `n` is set where place `n` has this tag. Compiles to one vector comparison.
    fn matching(&self, tag: u16) -> u8 {
        let bits = self.tags.iter().enumerate();
        bits.fold(0, |mask, (way, &t)| mask | u8::from(t == tag) << way)
    }

    fn put(&mut self, tag: u16, reference: Reference) -> bool {
        let Some(way) = self.references.iter().position(|&r| r == EMPTY) else {
            return false;
        };
        self.tags[way] = tag;
        self.references[way] = reference;
        true
    }

    fn take(&mut self, tag: u16, reference: Reference) -> bool {
        let found = self
            .tags
            .iter()
            .zip(&self.references)
            .position(|(&t, &r)| t == tag && r == reference);
        let Some(way) = found else { return false };
        self.references[way] = EMPTY;
        true
    }
}

/// The index. Its size is fixed.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Box<[Bucket]>,
    mask: u64,
}

impl Index {
    /// An index for up to `keys` keys, at most half full.
    pub(super) fn new(keys: usize) -> Self {
        let buckets = (keys * 2 / WAYS).next_power_of_two().max(2);
        Self {
            buckets: vec![VACANT; buckets].into_boxed_slice(),
            mask: buckets as u64 - 1,
        }
    }

    /// The two candidate buckets: independent halves of the hash.
    #[inline]
    fn candidates(&self, hash: u64) -> [usize; 2] {
        let first = hash & self.mask;
        // Never the same bucket twice: the difference is odd.
        let second = first ^ ((hash >> 32 | 1) & self.mask);
        [first as usize, second as usize]
    }

    #[inline]
    const fn tag(hash: u64) -> u16 {
        (hash >> 48) as u16
    }

    /// Asks for the memory that [`Self::find`] will read.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        for bucket in self.candidates(hash) {
            prefetch_read(&self.buckets[bucket]);
        }
    }

    /// The first reference with this hash's tag that `is_it` accepts.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(Reference) -> bool,
    ) -> Option<Reference> {
        for bucket in self.candidates(hash) {
            let bucket = &self.buckets[bucket];
            let mut matching = bucket.matching(Self::tag(hash));
            while matching != 0 {
                let reference = bucket.references[matching.trailing_zeros() as usize];
                if reference != EMPTY && is_it(reference) {
                    return Some(reference);
                }
                matching &= matching - 1;
            }
        }
        None
    }

    /// Adds a reference; false if both candidates are full. The key must not be there already.
    #[must_use]
    pub(super) fn insert(&mut self, hash: u64, reference: Reference) -> bool {
        debug_assert_ne!(reference, EMPTY);
        let [first, second] = self.candidates(hash);
        let emptier = if self.buckets[second].used() < self.buckets[first].used() {
            second
        } else {
            first
        };
        self.buckets[emptier].put(Self::tag(hash), reference)
    }

    /// Removes a reference; false if it is not there.
    pub(super) fn remove(&mut self, hash: u64, reference: Reference) -> bool {
        let tag = Self::tag(hash);
        self.candidates(hash)
            .into_iter()
            .any(|bucket| self.buckets[bucket].take(tag, reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::hash::fold;

    fn hash(key: u32) -> u64 {
        fold(
            u64::from(key) ^ 0x9e37_79b9_7f4a_7c15,
            0xd6e8_feb8_6659_fd93,
        )
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }

    #[test]
    fn half_a_million_keys_fit_where_they_are_promised_to() {
        let keys = 1 << 19;
        let mut index = Index::new(keys as usize);
        assert!((0..keys).all(|key| index.insert(hash(key), key)));
        assert!((0..keys).all(|key| index.find(hash(key), |r| r == key) == Some(key)));
        assert!((0..keys).all(|key| index.remove(hash(key), key) && !index.remove(hash(key), key)));
        assert!((0..keys).all(|key| index.find(hash(key), |_| true).is_none()));
    }

    #[test]
    fn equal_tags_are_told_apart_by_the_caller() {
        let mut index = Index::new(16);
        assert!(index.insert(7, 1) && index.insert(7, 2));
        assert_eq!(index.find(7, |r| r == 2), Some(2));
        assert!(index.remove(7, 1));
        assert_eq!(index.find(7, |_| true), Some(2));
    }

    #[test]
    fn both_candidates_full_is_refused() {
        let mut index = Index::new(8);
        let taken = (0..100).take_while(|&r| index.insert(42, r)).count();
        assert_eq!(taken, 2 * WAYS);
    }
}
