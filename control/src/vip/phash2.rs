//! Erlang's `erlang:phash2/2` of a binary, which decides the address of a named VIP in DC/OS.
//!
//! It is Bob Jenkins' hash of 1996 ("lookup2"): three 32-bit words mixed over blocks of 12
//! bytes, read in little-endian order. A binary starts from `c = 13 × 0x9e3779b9`, Erlang's
//! tag for binaries. The value is part of the address format and must never change.

/// The golden ratio in 32 bits, where the hash starts.
const GOLDEN: u32 = 0x9e37_79b9;
/// Erlang's initial value for a binary: 13 × the golden ratio, modulo 2^32.
const BINARY: u32 = GOLDEN.wrapping_mul(13);
/// Bytes of one block.
const BLOCK: usize = 12;

/// The hash as 32 bits: `erlang:phash2(Binary, 4294967296)`. With a smaller range, Erlang
/// returns this value modulo the range.
#[must_use]
pub fn phash2(bytes: &[u8]) -> u32 {
    if bytes.is_empty() {
        return BINARY; // Erlang does not mix what has no bytes.
    }
    let mut state = [GOLDEN, GOLDEN, BINARY];
    let mut blocks = bytes.chunks_exact(BLOCK);
    for block in &mut blocks {
        add(&mut state, block, 0);
        mix(&mut state);
    }
    // The length takes the low byte of the last word, so the tail's bytes there move up by one.
    state[2] = state[2].wrapping_add(low_bits(bytes.len()));
    add(&mut state, blocks.remainder(), 1);
    mix(&mut state);
    state[2]
}

/// Adds up to 12 bytes to the state; those of the last word are shifted by `gap` more bytes.
fn add(state: &mut [u32; 3], bytes: &[u8], gap: u32) {
    for (i, byte) in bytes.iter().enumerate() {
        let (word, offset) = (i / 4, low_bits(i % 4));
        let shift = 8 * if word == 2 { offset + gap } else { offset };
        state[word] = state[word].wrapping_add(u32::from(*byte) << shift);
    }
}

/// The reversible mix of three words.
fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for [x, y, z] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> x);
        b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << y);
        c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> z);
    }
    *state = [a, b, c];
}

/// A length modulo 2^32, as the hash counts it.
fn low_bits(n: usize) -> u32 {
    u32::try_from(n & 0xffff_ffff).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::phash2;
    use crate::vip::vectors::vectors;

    #[test]
    fn hashes_match_erlang() {
        let vectors = vectors().phash2_raw_32bit;
        assert!(!vectors.is_empty());
        for (input, hash) in vectors {
            assert_eq!(phash2(input.as_bytes()), hash, "phash2 of {input:?}");
        }
    }
}
