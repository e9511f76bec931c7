//! What both families of IP have in common: a pair of addresses, where a packet's parts lie, and
//! writing a header for a packet that starts here.
//!
//! This serves packets that are few (errors, resets, quotes) or made anew (tunnels). Packets of
//! flows are read by the parser and rewritten in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::Delta;
use super::{icmpv6, ipv4, ipv6};

mod datagram;
mod header;

pub use datagram::Datagram;
pub use header::NewHeader;

/// IP protocol number of IPv4 in IP (RFC 2003).
pub const PROTOCOL_IPV4: u8 = 4;
/// IP protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// IP protocol number of IPv6 in IP (RFC 2473, RFC 4213).
pub const PROTOCOL_IPV6: u8 = 41;

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of the IP packet that starts with `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Some(Self::V4),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// Length of a header without options or extensions, in bytes.
    #[must_use]
    pub const fn header_len(self) -> usize {
        match self {
            Self::V4 => ipv4::MIN_HEADER_LEN,
            Self::V6 => ipv6::HEADER_LEN,
        }
    }

    /// The IP protocol number of a packet of this family inside another.
    #[must_use]
    pub const fn protocol(self) -> u8 {
        match self {
            Self::V4 => PROTOCOL_IPV4,
            Self::V6 => PROTOCOL_IPV6,
        }
    }

    /// The IP protocol number of this family's ICMP.
    #[must_use]
    pub const fn icmp_protocol(self) -> u8 {
        match self {
            Self::V4 => ipv4::PROTOCOL_ICMP,
            Self::V6 => icmpv6::PROTOCOL,
        }
    }
}

/// Source and destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPair {
    /// Of IPv4.
    V4 {
        /// Where the packet comes from.
        source: Ipv4Addr,
        /// Where it goes.
        destination: Ipv4Addr,
    },
    /// Of IPv6.
    V6 {
        /// Where the packet comes from.
        source: Ipv6Addr,
        /// Where it goes.
        destination: Ipv6Addr,
    },
}

impl AddressPair {
    /// The pair, if both are of one family.
    #[must_use]
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 {
                source,
                destination,
            }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 {
                source,
                destination,
            }),
            _ => None,
        }
    }

    /// The family of both.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4 { .. } => Family::V4,
            Self::V6 { .. } => Family::V6,
        }
    }

    /// Where the packet comes from.
    #[must_use]
    pub const fn source(self) -> IpAddr {
        match self {
            Self::V4 { source, .. } => IpAddr::V4(source),
            Self::V6 { source, .. } => IpAddr::V6(source),
        }
    }

    /// Where the packet goes.
    #[must_use]
    pub const fn destination(self) -> IpAddr {
        match self {
            Self::V4 { destination, .. } => IpAddr::V4(destination),
            Self::V6 { destination, .. } => IpAddr::V6(destination),
        }
    }

    /// The addresses of an answer.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::V4 {
                source,
                destination,
            } => Self::V4 {
                source: destination,
                destination: source,
            },
            Self::V6 {
                source,
                destination,
            } => Self::V6 {
                source: destination,
                destination: source,
            },
        }
    }

    /// What changes in a checksum over these addresses when they become `new`; `None` if that is
    /// of the other family.
    #[must_use]
    pub fn change_to(self, new: Self) -> Option<Delta> {
        let source = change(self.source(), new.source())?;
        Some(source.and(change(self.destination(), new.destination())?))
    }
}

fn change(old: IpAddr, new: IpAddr) -> Option<Delta> {
    match (old, new) {
        (IpAddr::V4(old), IpAddr::V4(new)) => Some(Delta::of(&old.octets(), &new.octets())),
        (IpAddr::V6(old), IpAddr::V6(new)) => Some(Delta::of(&old.octets(), &new.octets())),
        _ => None,
    }
}

impl From<(Ipv4Addr, Ipv4Addr)> for AddressPair {
    fn from((source, destination): (Ipv4Addr, Ipv4Addr)) -> Self {
        Self::V4 {
            source,
            destination,
        }
    }
}

impl From<(Ipv6Addr, Ipv6Addr)> for AddressPair {
    fn from((source, destination): (Ipv6Addr, Ipv6Addr)) -> Self {
        Self::V6 {
            source,
            destination,
        }
    }
}
