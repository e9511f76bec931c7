//! Which clients may use a service: longest-prefix match over lists of allowed and denied sources.
//!
//! The lists are flattened once, off the packet path, into the addresses at which the answer
//! changes. A lookup is one binary search in a sorted array, however deep the prefixes nest.

use std::net::IpAddr;

use crate::family::Family;

/// A prefix of addresses: an address and the number of its leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// An address in it.
    pub address: IpAddr,
    /// Leading bits: at most 32 or 128.
    pub len: u8,
}

/// Allowed and denied sources. The longest prefix that holds an address decides; denial wins
/// between equals. An address in no prefix may pass if nothing is allowed explicitly, of either
/// family.
///
/// Two filters are equal if they permit the same addresses, however the lists were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFilter {
    ipv4: Ranges<u32>,
    ipv6: Ranges<u128>,
}

impl SourceFilter {
    /// A filter of these lists, in any order. A prefix longer than an address holds nothing.
    #[must_use]
    pub fn new(allow: Vec<Prefix>, deny: Vec<Prefix>) -> Self {
        let otherwise = allow.is_empty();
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for (list, permits) in [(allow, true), (deny, false)] {
            for Prefix { address, len } in list {
                match address {
                    IpAddr::V4(ip) => ipv4.extend(Block::of(ip, ip.to_bits().into(), len, permits)),
                    IpAddr::V6(ip) => ipv6.extend(Block::of(ip, ip.to_bits(), len, permits)),
                }
            }
        }
        Self {
            ipv4: Ranges::of(flatten(ipv4, otherwise), otherwise),
            ipv6: Ranges::of(flatten(ipv6, otherwise), otherwise),
        }
    }

    /// True if this client may use the service.
    #[inline]
    #[must_use]
    pub fn permits(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(client) => self.ipv4.permits(client.to_bits()),
            IpAddr::V6(client) => self.ipv6.permits(client.to_bits()),
        }
    }
}

/// Everybody may pass.
impl Default for SourceFilter {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// The addresses of one family, divided into ranges that are permitted in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges<B> {
    /// Whether the addresses below the first start are permitted.
    below: bool,
    /// The addresses at which the answer changes, ascending.
    starts: Box<[B]>,
}

impl<B: Ord + Copy + TryFrom<u128>> Ranges<B> {
    fn of(ranges: Vec<(u128, bool)>, otherwise: bool) -> Self {
        let mut answer = otherwise;
        let changes = ranges.into_iter().filter(|&(_, permits)| {
            let changes = permits != answer;
            answer = permits;
            changes
        });
        Self {
            below: otherwise,
            // What would start after the family's last address is no range.
            starts: changes
                .filter_map(|(start, _)| B::try_from(start).ok())
                .collect(),
        }
    }

    #[inline]
    fn permits(&self, address: B) -> bool {
        let changes = self.starts.partition_point(|start| *start <= address);
        self.below ^ (changes % 2 == 1)
    }
}

/// A prefix as the range that it is, with what it says of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: u128,
    last: u128,
    permits: bool,
}

impl Block {
    /// `bits` are the address's, right-aligned; `None` if the prefix is longer than that.
    fn of<A: Family>(_: A, bits: u128, len: u8, permits: bool) -> Option<Self> {
        let host_bits = u32::from(A::BITS.checked_sub(len)?);
        let host = 1u128.checked_shl(host_bits).unwrap_or(0).wrapping_sub(1);
        Some(Self {
            first: bits & !host,
            last: bits | host,
            permits,
        })
    }
}

/// Where each range starts, ascending, and what the longest prefix there says.
///
/// Prefixes nest or are disjoint, so those that hold an address form a stack, the longest on top.
fn flatten(mut blocks: Vec<Block>, otherwise: bool) -> Vec<(u128, bool)> {
    // Of equal prefixes the denying one comes last, and so ends up on top.
    blocks.sort_unstable_by_key(|b| (b.first, std::cmp::Reverse(b.last), !b.permits));
    let mut ranges = Vec::with_capacity(2 * blocks.len());
    let mut open: Vec<Block> = Vec::new();
    for block in blocks {
        close(&mut open, &mut ranges, otherwise, |open| {
            open.last < block.first
        });
        start(&mut ranges, block.first, block.permits);
        open.push(block);
    }
    close(&mut open, &mut ranges, otherwise, |_| true);
    ranges
}

/// Ends the open blocks that have ended: what they lie in says what comes after them.
fn close(
    open: &mut Vec<Block>,
    ranges: &mut Vec<(u128, bool)>,
    otherwise: bool,
    has_ended: impl Fn(&Block) -> bool,
) {
    while let Some(block) = open.pop_if(|block| has_ended(block)) {
        let below = open.last().map_or(otherwise, |block| block.permits);
        if let Some(next) = block.last.checked_add(1) {
            start(ranges, next, below);
        }
    }
}

/// Starts a range; one that would have started at the same address has no address.
fn start(ranges: &mut Vec<(u128, bool)>, at: u128, permits: bool) {
    ranges.pop_if(|(start, _)| *start == at);
    ranges.push((at, permits));
}

impl Prefix {
    /// True if `address` is of the same family and shares the prefix's leading bits.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own.common_prefix(other) >= self.len,
            (IpAddr::V6(own), IpAddr::V6(other)) => own.common_prefix(other) >= self.len,
            _ => false,
        }
    }
}

/// `10.0.0.0/8`.
impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

#[cfg(test)]
mod tests;
