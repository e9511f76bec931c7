//! The flattened filter against the rule as it is said: the longest prefix decides.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The rule, read off the lists each time.
fn permits(allow: &[Prefix], deny: &[Prefix], client: IpAddr) -> bool {
    let longest = |list: &[Prefix]| {
        let lens = list.iter().filter(|p| p.contains(client)).map(|p| p.len);
        lens.max()
    };
    match (longest(allow), longest(deny)) {
        (allowed, Some(denied)) => allowed.is_some_and(|allowed| allowed > denied),
        (Some(_), None) => true,
        (None, None) => allow.is_empty(),
    }
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').expect("ADDRESS/LENGTH");
    Prefix {
        address: address.parse().expect("an address"),
        len: len.parse().expect("a length"),
    }
}

fn filter(allow: &[&str], deny: &[&str]) -> SourceFilter {
    let list = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect();
    SourceFilter::new(list(allow), list(deny))
}

#[track_caller]
fn assert_permits(filter: &SourceFilter, cases: &[(&str, bool)]) {
    for (client, expected) in cases {
        let client = client.parse().expect("an address");
        assert_eq!(filter.permits(client), *expected, "{client}");
    }
}

#[test]
fn the_longest_prefix_decides() {
    let filter = filter(
        &["10.1.0.0/16", "10.1.2.3/32"],
        &["10.0.0.0/8", "10.1.2.0/24"],
    );
    let cases = [
        ("10.0.0.1", false),
        ("10.0.255.255", false),
        ("10.1.0.0", true),
        ("10.1.2.2", false),
        ("10.1.2.3", true),
        ("10.1.2.4", false),
        ("10.1.3.0", true),
        ("10.1.255.255", true),
        ("10.2.0.0", false),
        ("11.0.0.0", false),
    ];
    assert_permits(&filter, &cases);
}

#[test]
fn denial_wins_between_equals_and_everybody_passes_without_lists() {
    let same = filter(&["fd00::/8"], &["fd00::/8"]);
    assert_permits(&same, &[("fd00::1", false), ("fe00::1", false)]);
    let none = SourceFilter::default();
    assert_permits(
        &none,
        &[("0.0.0.0", true), ("255.255.255.255", true), ("::", true)],
    );
}

#[test]
fn an_allowed_prefix_of_one_family_shuts_out_the_other() {
    let only_ipv4 = filter(&["10.0.0.0/8"], &[]);
    assert_permits(&only_ipv4, &[("10.1.1.1", true), ("fd00::1", false)]);
    let deny_ipv6 = filter(&[], &["::/0"]);
    assert_permits(
        &deny_ipv6,
        &[("10.1.1.1", true), ("fd00::1", false), ("::", false)],
    );
}

#[test]
fn prefixes_reach_to_both_ends_of_the_address_space() {
    let ends = filter(
        &["0.0.0.0/32", "255.255.255.255/32", "ffff::/16", "::/128"],
        &[],
    );
    let cases = [
        ("0.0.0.0", true),
        ("0.0.0.1", false),
        ("255.255.255.254", false),
        ("255.255.255.255", true),
        ("::", true),
        ("::1", false),
        ("fffe:ffff::", false),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
    ];
    assert_permits(&ends, &cases);
}

#[test]
fn filters_are_equal_that_permit_the_same() {
    assert_eq!(
        filter(&["10.0.0.0/8"], &[]),
        filter(&["10.128.0.0/9", "10.0.0.0/9"], &[])
    );
    assert_ne!(filter(&["10.0.0.0/8"], &[]), filter(&["10.0.0.0/9"], &[]));
}

#[test]
fn ten_thousand_prefixes_are_as_good_as_one() {
    let host = |n: u32| Prefix {
        address: Ipv4Addr::from_bits(0x0a00_0000 + 2 * n).into(),
        len: 32,
    };
    let filter = SourceFilter::new((0..10_000).map(host).collect(), Vec::new());
    for n in 0..20_000u32 {
        let client = Ipv4Addr::from_bits(0x0a00_0000 + n);
        assert_eq!(filter.permits(client.into()), n % 2 == 0, "{client}");
    }
}

/// Few different bits, so that prefixes nest, touch and repeat.
fn some_prefix() -> impl Strategy<Value = Prefix> {
    let ipv4 = (any::<u8>(), 0u32..8, 0u8..=33).prop_map(|(high, low, len)| Prefix {
        address: Ipv4Addr::from_bits(u32::from(high & 0xc1) << 24 | low).into(),
        len,
    });
    let ipv6 = (any::<u8>(), 0u128..8, 0u8..=129).prop_map(|(high, low, len)| Prefix {
        address: Ipv6Addr::from_bits(u128::from(high & 0xc1) << 120 | low).into(),
        len,
    });
    prop_oneof![ipv4, ipv6]
}

/// The prefixes' own bounds and their neighbors, where mistakes would be.
fn bounds(prefix: &Prefix) -> Vec<IpAddr> {
    match prefix.address {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(prefix.len.into()).unwrap_or(0);
            let (first, last) = (ip.to_bits() & !host, ip.to_bits() | host);
            let near = [
                first,
                last,
                first.wrapping_sub(1),
                last.wrapping_add(1),
                ip.to_bits(),
            ];
            near.map(|bits| Ipv4Addr::from_bits(bits).into()).to_vec()
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(prefix.len.into()).unwrap_or(0);
            let (first, last) = (ip.to_bits() & !host, ip.to_bits() | host);
            let near = [
                first,
                last,
                first.wrapping_sub(1),
                last.wrapping_add(1),
                ip.to_bits(),
            ];
            near.map(|bits| Ipv6Addr::from_bits(bits).into()).to_vec()
        }
    }
}

proptest! {
    #[test]
    fn the_filter_follows_the_rule(
        allow in vec(some_prefix(), 0..12),
        deny in vec(some_prefix(), 0..12),
        others: [(u32, u128); 8],
    ) {
        let filter = SourceFilter::new(allow.clone(), deny.clone());
        let near = allow.iter().chain(&deny).flat_map(bounds);
        let far = others.into_iter().flat_map(|(v4, v6)| {
            [IpAddr::from(Ipv4Addr::from_bits(v4)), Ipv6Addr::from_bits(v6).into()]
        });
        for client in near.chain(far) {
            prop_assert_eq!(filter.permits(client), permits(&allow, &deny, client), "{}", client);
        }
    }
}
