//! The range of addresses that named VIPs get theirs from.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::address;

/// Why a text is no pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Neither form was recognised.
    #[error(
        "{text:?} is no pool of addresses: write the first and the last one, such as \
         \"11.0.0.0-11.255.255.255\", or a prefix, such as \"11.0.0.0/8\""
    )]
    Syntax {
        /// The text.
        text: String,
    },
    /// The range runs backwards.
    #[error("the pool {text:?} ends before it begins: write the lower address first")]
    Backwards {
        /// The text.
        text: String,
    },
}

/// An inclusive range of IPv4 addresses; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl Pool {
    /// The lowest address.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        self.first
    }

    /// The highest address; it belongs to the pool.
    #[must_use]
    pub fn last(self) -> Ipv4Addr {
        self.last
    }

    /// Number of addresses, at least 1.
    #[must_use]
    pub fn size(self) -> u64 {
        u64::from(u32::from(self.last) - u32::from(self.first)) + 1
    }

    /// Whether `address` is in the pool.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// The address that `name` wants (see [`address::ipv4`]).
    #[must_use]
    pub fn wanted(self, name: &str) -> Ipv4Addr {
        address::ipv4(name, self.first, self.last)
    }

    /// Every address once, from `start` upwards, going on at the first one after the last.
    /// `start` must be in the pool.
    pub(super) fn from(self, start: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        let (first, start, last) = (self.first.into(), start.into(), self.last.into());
        (start..=last)
            .chain(first..start)
            .map(|bits: u32| Ipv4Addr::from(bits))
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for Pool {
    type Err = PoolError;

    fn from_str(text: &str) -> Result<Self, PoolError> {
        let (first, last) = bounds(text).ok_or_else(|| PoolError::Syntax {
            text: text.to_owned(),
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
fn bounds(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    let prefix: Ipv4Net = text.trim().parse().ok()?;
    Some((prefix.network(), prefix.broadcast()))
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
    fn the_whole_address_space_is_counted() {
        assert_eq!(
            "0.0.0.0/0".parse::<Pool>().expect("a prefix").size(),
            1 << 32
        );
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
