//! The address that a name wants: the functions of DC/OS 1.12 and later, so that a VIP has the
//! same address here as in an existing cluster. Collisions are the allocator's business.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha1::{Digest, Sha1};

use super::phash2::phash2;

/// The IPv4 address that `name` wants between `first` and `last`:
/// `first + phash2(name) mod (last − first)`. As in DC/OS the hash never gives `last` itself.
///
/// `last` must not be below `first`; if they are equal the answer is that address.
#[must_use]
pub fn ipv4(name: &str, first: Ipv4Addr, last: Ipv4Addr) -> Ipv4Addr {
    let (low, high) = (u32::from(first), u32::from(last));
    let range = high.saturating_sub(low).max(1);
    Ipv4Addr::from(low + phash2(name.as_bytes()) % range)
}

/// The IPv6 address that `name` wants between `first` and `last`:
/// `first + SHA-1(name) mod (last − first)`, the digest read as one big-endian integer.
///
/// `last` must not be below `first`; if they are equal the answer is that address.
#[must_use]
pub fn ipv6(name: &str, first: Ipv6Addr, last: Ipv6Addr) -> Ipv6Addr {
    let (low, high) = (u128::from(first), u128::from(last));
    let range = high.saturating_sub(low).max(1);
    let digest = Sha1::digest(name.as_bytes());
    Ipv6Addr::from(low + remainder(&digest, range))
}

/// `digest` as a big-endian integer, modulo `range`.
fn remainder(digest: &[u8], range: u128) -> u128 {
    let bits = digest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(0, |rest, bit| double_and_add(rest, u128::from(bit), range))
}

/// `(2 × rest + bit) mod range` for `rest < range`, without overflow.
fn double_and_add(rest: u128, bit: u128, range: u128) -> u128 {
    let half = range - rest;
    let doubled = if rest >= half {
        rest - half
    } else {
        rest + rest
    };
    let sum = doubled + bit;
    if sum == range { 0 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vip::vectors::vectors;

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().expect("an IPv4 address")
    }

    #[test]
    fn ipv4_addresses_match_dcos() {
        let first = v4("11.0.0.0");
        for case in vectors().addresses {
            let name = &case.normalised;
            assert_eq!(
                ipv4(name, first, v4("11.255.255.255")),
                v4(&case.ipv4_installed),
                "{name}"
            );
            assert_eq!(
                ipv4(name, first, v4("11.255.255.254")),
                v4(&case.ipv4_default),
                "{name}"
            );
            assert_eq!(
                ipv4(name, first, v4("11.0.0.254")),
                v4(&case.ipv4_small),
                "{name}"
            );
        }
    }

    #[test]
    fn ipv6_addresses_match_dcos() {
        let first: Ipv6Addr = "fd01:c::".parse().expect("an address");
        let last: Ipv6Addr = "fd01:c::ffff:ffff:ffff:ffff".parse().expect("an address");
        for case in vectors().addresses {
            let expected: Ipv6Addr = case.ipv6.parse().expect("an address");
            assert_eq!(
                ipv6(&case.normalised, first, last),
                expected,
                "{}",
                case.normalised
            );
        }
    }

    #[test]
    fn the_remainder_survives_the_widest_range() {
        assert_eq!(remainder(&[0xff; 20], u128::MAX), u128::from(u32::MAX));
        assert_eq!(remainder(&[0xff; 16], u128::MAX), 0);
        assert_eq!(remainder(&[1, 0], 7), 256 % 7);
    }

    #[test]
    fn a_pool_of_one_address_has_one_answer() {
        assert_eq!(ipv4("a", v4("11.0.0.1"), v4("11.0.0.1")), v4("11.0.0.1"));
    }
}
