//! Which clients may use a service: longest-prefix match over lists of allowed and denied sources.

use std::net::IpAddr;

/// A prefix of addresses: an address and the number of its leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// An address in it.
    pub address: IpAddr,
    /// Leading bits: at most 32 or 128.
    pub len: u8,
}

/// Allowed and denied sources. The longest prefix that holds an address decides; denial wins
/// between equals. An address in no prefix may pass if nothing is allowed explicitly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFilter {
    allow: Vec<Prefix>,
    deny: Vec<Prefix>,
}

impl SourceFilter {
    /// A filter of these lists, in any order.
    #[must_use]
    pub fn new(allow: Vec<Prefix>, deny: Vec<Prefix>) -> Self {
        Self { allow, deny }
    }

    /// True if this client may use the service.
    #[must_use]
    pub fn permits(&self, client: IpAddr) -> bool {
        let longest = |list: &[Prefix]| {
            let lens = list.iter().filter(|p| p.contains(client)).map(|p| p.len);
            lens.max()
        };
        match (longest(&self.allow), longest(&self.deny)) {
            (allowed, Some(denied)) => allowed.is_some_and(|allowed| allowed > denied),
            (Some(_), None) => true,
            (None, None) => self.allow.is_empty(),
        }
    }
}

impl Prefix {
    /// True if `address` is of the same family and shares the prefix's leading bits.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.len)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.len)
            }
            _ => false,
        }
    }
}
