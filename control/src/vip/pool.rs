//! The range of addresses that named VIPs get theirs from.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::address;

/// Why a text is no pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Neither form was recognised.
    #[error(
        "{text:?} is no pool of addresses: write the first and the last one, such as \
         {example:?}, or a prefix"
    )]
    Syntax {
        /// The text.
        text: String,
        /// What could stand there.
        example: &'static str,
    },
    /// The range runs backwards.
    #[error("the pool {text:?} ends before it begins: write the lower address first")]
    Backwards {
        /// The text.
        text: String,
    },
}

/// The addresses of one family, as pools need them.
pub trait PoolAddress: Copy + Ord + Hash + fmt::Display + FromStr {
    /// The configuration key of the family's pool.
    const KEY: &'static str;
    /// How a pool of the family is written.
    const EXAMPLE: &'static str;

    /// The address as a number.
    fn bits(self) -> u128;
    /// The address with this number, which must be one of the family's.
    fn from_bits(bits: u128) -> Self;
    /// The address, if it is of this family.
    fn from_ip(address: IpAddr) -> Option<Self>;
    /// The address that a name wants between these two (see [`address`]).
    fn wanted(name: &str, first: Self, last: Self) -> Self;
}

impl PoolAddress for Ipv4Addr {
    const KEY: &'static str = "vips.pool";
    const EXAMPLE: &'static str = "11.0.0.0-11.255.255.255";

    fn bits(self) -> u128 {
        self.to_bits().into()
    }

    fn from_bits(bits: u128) -> Self {
        Self::from_bits(u32::try_from(bits).expect("the caller has an address of the family"))
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn wanted(name: &str, first: Self, last: Self) -> Self {
        address::ipv4(name, first, last)
    }
}

impl PoolAddress for Ipv6Addr {
    const KEY: &'static str = "vips.pool6";
    const EXAMPLE: &'static str = "fd01:c::-fd01:c::ffff:ffff:ffff:ffff";

    fn bits(self) -> u128 {
        self.to_bits()
    }

    fn from_bits(bits: u128) -> Self {
        Self::from_bits(bits)
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }

    fn wanted(name: &str, first: Self, last: Self) -> Self {
        address::ipv6(name, first, last)
    }
}

/// An inclusive range of addresses; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool<A = Ipv4Addr> {
    first: A,
    last: A,
}

impl<A: PoolAddress> Pool<A> {
    /// The addresses between two, in either order, and these two.
    #[must_use]
    pub fn new(one: A, other: A) -> Self {
        Self {
            first: one.min(other),
            last: one.max(other),
        }
    }

    /// The lowest address.
    #[must_use]
    pub fn first(self) -> A {
        self.first
    }

    /// The highest address; it belongs to the pool.
    #[must_use]
    pub fn last(self) -> A {
        self.last
    }

    /// Number of addresses, at least 1. Of the whole IPv6 address space, one less.
    #[must_use]
    pub fn size(self) -> u128 {
        (self.last.bits() - self.first.bits()).saturating_add(1)
    }

    /// Whether `address` is in the pool.
    #[must_use]
    pub fn contains(self, address: A) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// The address that `name` wants (see [`address`]).
    #[must_use]
    pub fn wanted(self, name: &str) -> A {
        A::wanted(name, self.first, self.last)
    }

    /// Every address once, from `start` upwards, going on at the first one after the last.
    /// `start` must be in the pool.
    pub(super) fn from(self, start: A) -> impl Iterator<Item = A> {
        let (first, start, last) = (self.first.bits(), start.bits(), self.last.bits());
        (start..=last).chain(first..start).map(A::from_bits)
    }
}

impl<A: PoolAddress> fmt::Display for Pool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl<A: PoolAddress> FromStr for Pool<A> {
    type Err = PoolError;

    fn from_str(text: &str) -> Result<Self, PoolError> {
        let (first, last) = bounds(text).ok_or_else(|| PoolError::Syntax {
            text: text.to_owned(),
            example: A::EXAMPLE,
        })?;
        if last < first {
            return Err(PoolError::Backwards {
                text: text.to_owned(),
            });
        }
        Ok(Self { first, last })
    }
}

/// The two ends that `text` names, in the order in which it does.
fn bounds<A: PoolAddress>(text: &str) -> Option<(A, A)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    let prefix: IpNet = text.trim().parse().ok()?;
    Some((
        A::from_ip(prefix.network())?,
        A::from_ip(prefix.broadcast())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_prefixes_are_the_same_pool() {
        let range: Pool = "11.0.0.0-11.255.255.255".parse().expect("a range");
        assert_eq!("11.0.0.0/8".parse(), Ok(range));
        assert_eq!(range.size(), 1 << 24);
        assert_eq!(range.to_string(), "11.0.0.0-11.255.255.255");
        assert_eq!(range.to_string().parse(), Ok(range));
    }

    #[test]
    fn whole_address_spaces_are_counted() {
        let ipv4: Pool = "0.0.0.0/0".parse().expect("a prefix");
        assert_eq!(ipv4.size(), 1 << 32);
        let ipv6: Pool<Ipv6Addr> = "::/0".parse().expect("a prefix");
        assert_eq!(ipv6.size(), u128::MAX);
    }

    #[test]
    fn the_ipv6_pool_of_dcos_is_a_64() {
        let range: Pool<Ipv6Addr> = Ipv6Addr::EXAMPLE.parse().expect("a range");
        assert_eq!("fd01:c::/64".parse(), Ok(range));
        assert_eq!(range.size(), 1 << 64);
        let last = range.from(range.last()).take(2).collect::<Vec<_>>();
        assert_eq!(last, [range.last(), range.first()]);
    }

    #[test]
    fn what_is_no_pool_is_refused() {
        for text in [
            "",
            "11.0.0.0",
            "11.0.0.0-",
            "11.0.0.0/33",
            "a-b",
            "fd01::/64",
        ] {
            assert!(
                matches!(text.parse::<Pool>(), Err(PoolError::Syntax { .. })),
                "{text:?}"
            );
        }
        assert!("11.0.0.0/8".parse::<Pool<Ipv6Addr>>().is_err());
        let backwards = "11.0.0.9-11.0.0.1".parse::<Pool>();
        assert!(matches!(backwards, Err(PoolError::Backwards { .. })));
    }

    #[test]
    fn probing_goes_round_once() {
        let pool: Pool = "10.0.0.1-10.0.0.3".parse().expect("a range");
        let order: Vec<String> = pool
            .from(Ipv4Addr::new(10, 0, 0, 3))
            .map(|a| a.to_string())
            .collect();
        assert_eq!(order, ["10.0.0.3", "10.0.0.1", "10.0.0.2"]);
    }
}
