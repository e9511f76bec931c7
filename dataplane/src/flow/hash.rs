//! Seeded hashing of flow and table keys.
//!
//! Folded multiplication, as in wyhash: two 64-bit words are mixed by one 64×64→128 multiplication.
//! The seed is drawn per process, so that nobody outside can aim flows at one bucket. This hash
//! never leaves the process; what hosts must agree on is [`crate::maglev::flow_hash`].

use std::hash::{BuildHasher, Hasher, RandomState};

/// Multiplies to 128 bits and folds the halves.
#[inline]
#[must_use]
pub(crate) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Two secret words that differ from process to process.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub(crate) [u64; 2]);

impl Seed {
    /// A seed from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        let word = || RandomState::new().hash_one(0u8) | 1;
        Self([word(), word()])
    }
}

/// Builds hashers for the keys of immutable tables.
#[derive(Clone, Debug)]
pub struct KeyHasher(Seed);

impl Default for KeyHasher {
    fn default() -> Self {
        Self(Seed::random())
    }
}

impl BuildHasher for KeyHasher {
    type Hasher = FoldHasher;

    fn build_hasher(&self) -> FoldHasher {
        FoldHasher {
            state: self.0.0[0],
            key: self.0.0[1],
        }
    }
}

/// Folds eight bytes at a time into its state.
#[derive(Clone, Debug)]
pub struct FoldHasher {
    state: u64,
    key: u64,
}

impl FoldHasher {
    fn mix(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.key).wrapping_add(word);
    }
}

impl Hasher for FoldHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_isize(&mut self, value: isize) {
        // Only discriminants come this way.
        self.mix(value.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.state, self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn distinct_listeners_hash_apart() {
        let hasher = KeyHasher::default();
        let hashes: HashSet<u64> = (0..=u16::MAX)
            .map(|port| hasher.hash_one(SocketAddr::from(([11, 0, 0, 1], port))))
            .collect();
        assert_eq!(hashes.len(), 65536);
    }

    #[test]
    fn processes_differ() {
        assert_ne!(Seed::random().0, Seed::random().0);
    }
}
