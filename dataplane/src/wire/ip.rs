//! What both families of IP have in common: a pair of addresses, where a packet's parts lie, and
//! writing a header for a packet that starts here.
//!
//! This serves packets that are few (errors, resets, quotes) or made anew (tunnels). Packets of
//! flows are read by the parser and rewritten in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, IntoBytes};

use super::checksum::{Delta, checksum};
use super::icmpv6;
use super::ipv4::{self, Ipv4Header};
use super::ipv6::{self, Fragment6, Ipv6Header};

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
        match (self.source(), self.destination(), new) {
            (
                IpAddr::V4(old_source),
                IpAddr::V4(old_destination),
                Self::V4 {
                    source,
                    destination,
                },
            ) => Some(
                Delta::of(&old_source.octets(), &source.octets())
                    .and(Delta::of(&old_destination.octets(), &destination.octets())),
            ),
            (
                IpAddr::V6(old_source),
                IpAddr::V6(old_destination),
                Self::V6 {
                    source,
                    destination,
                },
            ) => Some(
                Delta::of(&old_source.octets(), &source.octets())
                    .and(Delta::of(&old_destination.octets(), &destination.octets())),
            ),
            _ => None,
        }
    }
}

/// Where the parts of an IP packet lie, read leniently: the packet may have been cut short, as the
/// ones quoted in ICMP errors are. Offsets count from the IP header's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source and destination.
    pub addresses: AddressPair,
    /// Protocol of what starts at `transport`.
    pub protocol: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// End of the headers of IP; not beyond the bytes.
    pub transport: usize,
    /// End of the packet, as its header says; may be beyond the bytes.
    pub end: usize,
    /// False for fragments other than the first, which have no transport header.
    pub is_first: bool,
    /// True if routers may not fragment it, as in IPv6 always.
    pub dont_fragment: bool,
}

impl Datagram {
    /// Reads the packet at the front of `bytes`; `None` unless the headers of IP are there whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        match Family::of(bytes)? {
            Family::V4 => Self::read_v4(bytes),
            Family::V6 => Self::read_v6(bytes),
        }
    }

    /// What follows the headers of IP, as far as it is there.
    #[must_use]
    pub fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
            .get(self.transport..self.end.min(bytes.len()))
            .unwrap_or_default()
    }

    fn read_v4(bytes: &[u8]) -> Option<Self> {
        let (header, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
        let transport = header.header_len();
        let end = usize::from(header.total_len.get());
        if transport < ipv4::MIN_HEADER_LEN || transport > bytes.len() || end < transport {
            return None;
        }
        Some(Self {
            addresses: AddressPair::V4 {
                source: header.source(),
                destination: header.destination(),
            },
            protocol: header.protocol,
            traffic_class: header.traffic_class,
            transport,
            end,
            is_first: header.fragment_offset() == 0,
            dont_fragment: header.dont_fragment(),
        })
    }

    fn read_v6(bytes: &[u8]) -> Option<Self> {
        let (header, payload) = Ipv6Header::ref_from_prefix(bytes).ok()?;
        let len = usize::from(header.payload_len.get());
        let payload = &payload[..len.min(payload.len())];
        let chain = ipv6::walk_cut(payload, header.next_header).ok()?;
        Some(Self {
            addresses: AddressPair::V6 {
                source: header.source(),
                destination: header.destination(),
            },
            protocol: chain.protocol,
            traffic_class: header.traffic_class(),
            transport: ipv6::HEADER_LEN + chain.offset,
            end: ipv6::HEADER_LEN + len,
            is_first: chain.fragment.is_none_or(Fragment6::is_first),
            dont_fragment: true,
        })
    }
}

/// The header of a packet that starts here, without options or extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewHeader {
    /// Source and destination; they say the family.
    pub addresses: AddressPair,
    /// Protocol of the payload.
    pub protocol: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Length of the payload, in bytes.
    pub payload_len: usize,
    /// IPv4: the ID of a datagram that routers may fragment; `None` forbids that, and the ID is 0,
    /// as it may be in an atomic datagram (RFC 6864, section 4.1). No meaning in IPv6.
    pub identification: Option<u16>,
    /// IPv6: flow label, 20 bits (RFC 6437). No meaning in IPv4.
    pub flow_label: u32,
}

impl NewHeader {
    /// The header of a message of Viaduct's own: never fragmented, with the usual TTL.
    #[must_use]
    pub const fn message(addresses: AddressPair, protocol: u8, payload_len: usize) -> Self {
        Self {
            addresses,
            protocol,
            traffic_class: 0,
            ttl: ipv4::DEFAULT_TTL,
            payload_len,
            identification: None,
            flow_label: 0,
        }
    }

    /// Writes the header to the front of `bytes` and returns its length. `None`, and nothing
    /// written, if there is no room or the packet would be longer than IP allows.
    #[must_use]
    pub fn write(&self, bytes: &mut [u8]) -> Option<usize> {
        let len = self.addresses.family().header_len();
        let front = bytes.get_mut(..len)?;
        match self.addresses {
            AddressPair::V4 {
                source,
                destination,
            } => front.copy_from_slice(self.v4(source, destination)?.as_bytes()),
            AddressPair::V6 {
                source,
                destination,
            } => front.copy_from_slice(self.v6(source, destination)?.as_bytes()),
        }
        Some(len)
    }

    fn v4(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Option<Ipv4Header> {
        let total = u16::try_from(ipv4::MIN_HEADER_LEN + self.payload_len).ok()?;
        let (identification, flags) = match self.identification {
            Some(identification) => (identification, 0),
            None => (0, ipv4::DONT_FRAGMENT),
        };
        let mut header = Ipv4Header {
            version_ihl: 0x45,
            traffic_class: self.traffic_class,
            total_len: total.into(),
            identification: identification.into(),
            flags_offset: flags.into(),
            ttl: self.ttl,
            protocol: self.protocol,
            checksum: 0.into(),
            source: source.octets(),
            destination: destination.octets(),
        };
        header.checksum = checksum(header.as_bytes()).into();
        Some(header)
    }

    fn v6(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Option<Ipv6Header> {
        Some(Ipv6Header {
            version_class_label: ipv6::first_word(self.traffic_class, self.flow_label).into(),
            payload_len: u16::try_from(self.payload_len).ok()?.into(),
            next_header: self.protocol,
            hop_limit: self.ttl,
            source: source.octets(),
            destination: destination.octets(),
        })
    }
}
