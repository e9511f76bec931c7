//! IPv6 headers (RFC 8200), and what their addresses mean (RFC 4291).

use std::net::Ipv6Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

mod extensions;

pub(super) use extensions::walk_cut;
pub use extensions::{
    Chain, ExtensionError, Fragment6, MAX_CHAIN_LEN, MAX_EXTENSIONS, NO_NEXT_HEADER,
    walk_extensions,
};

/// Length of the fixed header, in bytes.
pub const HEADER_LEN: usize = 40;

/// The MTU that every link has at least (RFC 8200, section 5), in bytes.
pub const MIN_MTU: usize = 1280;

/// The hop limit that proves a packet's sender to be on the same link (RFC 4861, section 3.1).
pub const ON_LINK_HOP_LIMIT: u8 = 255;

/// All nodes of the link (RFC 4291, section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const LABEL_MASK: u32 = 0x000f_ffff;

/// The fixed header; extension headers may follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv6Header {
    /// Version (4 bits), traffic class (8 bits), flow label (20 bits).
    pub version_class_label: U32,
    /// Everything behind this header, in bytes.
    pub payload_len: U16,
    /// Protocol of what follows this header.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address, in network order.
    pub source: [u8; 16],
    /// Destination address, in network order.
    pub destination: [u8; 16],
}

impl Ipv6Header {
    /// 6 in every IPv6 packet.
    #[must_use]
    pub fn version(&self) -> u8 {
        (self.version_class_label.get() >> 28) as u8
    }

    /// DSCP (6 bits, RFC 2474) and ECN (2 bits, RFC 3168).
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_label.get() >> 20 & 0xff) as u8
    }

    /// The flow label (RFC 6437), 20 bits.
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & LABEL_MASK
    }

    /// Source address.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        self.source.into()
    }

    /// Destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        self.destination.into()
    }
}

/// The first four bytes of a header. Of the flow label the lower 20 bits count.
pub(super) const fn first_word(traffic_class: u8, flow_label: u32) -> u32 {
    6 << 28 | (traffic_class as u32) << 20 | flow_label & LABEL_MASK
}

/// True for an address that no packet may come from: multicast, loopback, unspecified, and the
/// forms that embed an IPv4 address in `::/96` or `::ffff:0:0/96` (RFC 4291, section 2.5;
/// RFC 4942, section 2.2; RFC 6890).
///
/// Duplicate address detection asks from the unspecified address (RFC 4862, section 5.4.2): a
/// neighbor solicitation is judged by [`NdMessage::read`](super::nd::NdMessage::read) instead.
#[must_use]
pub fn is_martian_source_v6(address: Ipv6Addr) -> bool {
    let embeds_ipv4 = matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..]
    );
    // `::/96` holds the unspecified and the loopback address too.
    address.is_multicast() || embeds_ipv4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_that_no_packet_may_have() {
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        for martian in ["::", "::1", "ff02::1", "::ffff:10.0.0.1", "::192.0.2.1"] {
            assert!(is_martian_source_v6(address(martian)), "{martian}");
        }
        for usual in ["fe80::1", "2001:db8::1", "fd00::1", "64:ff9b::192.0.2.1"] {
            assert!(!is_martian_source_v6(address(usual)), "{usual}");
        }
    }

    proptest! {
        #[test]
        fn fields_are_those_of_the_judge(bytes in any::<[u8; HEADER_LEN]>()) {
            let mut bytes = bytes;
            bytes[0] = bytes[0] & 0x0f | 0x60;
            let (header, _) = Ipv6Header::ref_from_prefix(&bytes).expect("40 bytes");
            let (judge, _) = etherparse::Ipv6Header::from_slice(&bytes).expect("40 bytes");
            prop_assert_eq!(header.version(), 6);
            prop_assert_eq!(header.traffic_class(), judge.traffic_class);
            prop_assert_eq!(header.flow_label(), judge.flow_label.value());
            prop_assert_eq!(header.payload_len.get(), judge.payload_length);
            prop_assert_eq!(header.next_header, judge.next_header.0);
            prop_assert_eq!(header.hop_limit, judge.hop_limit);
            prop_assert_eq!(header.source(), judge.source_addr());
            prop_assert_eq!(header.destination(), judge.destination_addr());
            let first = first_word(header.traffic_class(), header.flow_label());
            prop_assert_eq!(first, header.version_class_label.get());
        }
    }
}
