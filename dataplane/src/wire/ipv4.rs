//! IPv4 headers (RFC 791).

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a header without options, in bytes.
pub const MIN_HEADER_LEN: usize = 20;

/// IP protocol number of ICMP (RFC 792).
pub const PROTOCOL_ICMP: u8 = 1;

/// Time to live of packets that start here (IANA's recommended default).
pub const DEFAULT_TTL: u8 = 64;

/// Bit of [`Ipv4Header::flags_offset`] that forbids fragmenting.
pub const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// The fixed part of a header; options may follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv4Header {
    /// Version (4 bits) and header length in 32-bit words (4 bits).
    pub version_ihl: u8,
    /// DSCP (6 bits, RFC 2474) and ECN (2 bits, RFC 3168).
    pub traffic_class: u8,
    /// Header and payload, in bytes.
    pub total_len: U16,
    /// Identifies the datagram that a fragment belongs to.
    pub identification: U16,
    /// Flags (3 bits) and fragment offset in 8-byte units (13 bits).
    pub flags_offset: U16,
    /// Hops left.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Over this header with its options.
    pub checksum: U16,
    /// Source address, in network order.
    pub source: [u8; 4],
    /// Destination address, in network order.
    pub destination: [u8; 4],
}

impl Ipv4Header {
    /// 4 in every IPv4 packet.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Length of the header with its options, in bytes: 0 to 60, at least 20 if it is valid.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.version_ihl & 0x0f) as usize * 4
    }

    /// True for every fragment of a datagram, the first one too.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Start of this fragment's payload in the datagram's payload, in bytes; 0 in whole datagrams.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        (self.flags_offset.get() & OFFSET_MASK) * 8
    }

    /// True if more fragments of the datagram follow.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// True if routers may not fragment this packet.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Source address.
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        self.source.into()
    }

    /// Destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        self.destination.into()
    }
}

/// True for an address that no packet may come from: 0/8, 127/8, multicast, 240/4 and broadcast
/// (RFC 1122, section 3.2.1.3; RFC 6890).
#[must_use]
pub fn is_martian_source(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first == 0 || first == 127 || first >= 224
}
