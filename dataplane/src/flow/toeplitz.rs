//! The Toeplitz hash, by which NICs spread packets over queues (Microsoft, "RSS hashing functions").
//!
//! Every bit of the input that is set adds, without carry, 32 bits of the key from that bit's
//! position on. So the hash of a packet is the sum of the hashes of its fields in their places: what
//! stays the same is hashed once, and another port costs four table reads.

/// Bits of input that one table read hashes.
const NIBBLE: usize = 4;

/// Bytes of the hash: what the key is longer than the input.
const HASH_LEN: usize = 4;

/// A key, prepared.
#[derive(Clone, Debug)]
pub struct Toeplitz {
    /// By position of a nibble in the input, and its value: what it adds.
    nibbles: Box<[[u32; 1 << NIBBLE]]>,
}

impl Toeplitz {
    /// Prepares a key. It hashes inputs that are at least four bytes shorter than itself.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let nibbles = key.len().saturating_sub(HASH_LEN) * 8 / NIBBLE;
        let table = |nibble: usize| std::array::from_fn(|value| sum(key, nibble * NIBBLE, value));
        Self {
            nibbles: (0..nibbles).map(table).collect(),
        }
    }

    /// Bytes of the longest input.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.nibbles.len() * NIBBLE / 8
    }

    /// What `bytes` add to the hash of an input that has them at `offset`. Add with XOR.
    ///
    /// # Panics
    /// If the key is too short for such an input.
    #[inline]
    #[must_use]
    pub fn part(&self, offset: usize, bytes: &[u8]) -> u32 {
        let tables = &self.nibbles[offset * 2..(offset + bytes.len()) * 2];
        let pairs = tables.chunks_exact(2).zip(bytes);
        pairs.fold(0, |hash, (tables, &byte)| {
            hash ^ tables[0][usize::from(byte >> 4)] ^ tables[1][usize::from(byte & 0xf)]
        })
    }
}

/// The sum for a nibble of this value whose first bit is bit `first` of the input.
fn sum(key: &[u8], first: usize, value: usize) -> u32 {
    let is_set = |bit: &usize| value >> (NIBBLE - 1 - bit) & 1 == 1;
    let bits = (0..NIBBLE).filter(is_set);
    bits.fold(0, |sum, bit| sum ^ window(key, first + bit))
}

/// The 32 bits of the key from bit `first` on; the key reaches that far.
fn window(key: &[u8], first: usize) -> u32 {
    let bit = |n: usize| u32::from(key[n / 8] >> (7 - n % 8) & 1);
    (first..first + HASH_LEN * 8).fold(0, |window, n| window << 1 | bit(n))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::prelude::*;

    use super::*;

    /// The key of the published examples.
    const KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    /// Destination, source, hash of the addresses, hash of addresses and ports (Microsoft,
    /// "Verifying the RSS hash calculation").
    const EXAMPLES: [(&str, &str, u32, u32); 8] = [
        (
            "161.142.100.80:1766",
            "66.9.149.187:2794",
            0x323e_8fc2,
            0x51cc_c178,
        ),
        (
            "65.69.140.83:4739",
            "199.92.111.2:14230",
            0xd718_262a,
            0xc626_b0ea,
        ),
        (
            "12.22.207.184:38024",
            "24.19.198.95:12898",
            0xd2d0_a5de,
            0x5c2b_394a,
        ),
        (
            "209.142.163.6:2217",
            "38.27.205.30:48228",
            0x8298_9176,
            0xafc7_327f,
        ),
        (
            "202.188.127.2:1303",
            "153.39.163.191:44251",
            0x5d18_09c5,
            0x10e8_28a2,
        ),
        (
            "[3ffe:2501:200:3::1]:1766",
            "[3ffe:2501:200:1fff::7]:2794",
            0x2cc1_8cd5,
            0x4020_7d3d,
        ),
        (
            "[ff02::1]:4739",
            "[3ffe:501:8::260:97ff:fe40:efab]:14230",
            0x0f0c_461c,
            0xdde5_1bbf,
        ),
        (
            "[fe80::200:f8ff:fe21:67cf]:38024",
            "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251",
            0x4b61_e985,
            0x02d1_feef,
        ),
    ];

    fn bytes(address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }

    #[test]
    fn published_examples() {
        let toeplitz = Toeplitz::new(&KEY);
        for (destination, source, of_addresses, of_all) in EXAMPLES {
            let [destination, source] = [destination, source]
                .map(|address| address.parse::<SocketAddr>().expect("a socket address"));
            let mut input = bytes(source.ip());
            input.extend(bytes(destination.ip()));
            assert_eq!(toeplitz.part(0, &input), of_addresses, "{source}");
            input.extend(source.port().to_be_bytes());
            input.extend(destination.port().to_be_bytes());
            assert_eq!(toeplitz.part(0, &input), of_all, "{source}");
        }
    }

    #[test]
    fn a_key_hashes_what_is_four_bytes_shorter() {
        assert_eq!(Toeplitz::new(&KEY).longest(), 36);
        assert_eq!(Toeplitz::new(&KEY[..4]).longest(), 0);
        assert_eq!(Toeplitz::new(&[]).longest(), 0);
    }

    proptest! {
        #[test]
        fn parts_add_up(input in prop::collection::vec(any::<u8>(), 1..=36), at in any::<prop::sample::Index>()) {
            let (toeplitz, at) = (Toeplitz::new(&KEY), at.index(input.len()));
            let parts = toeplitz.part(0, &input[..at]) ^ toeplitz.part(at, &input[at..]);
            prop_assert_eq!(toeplitz.part(0, &input), parts);
        }
    }
}
