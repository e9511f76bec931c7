//! Where the parts of an IP packet lie, for packets that the parser does not read.

use zerocopy::FromBytes;

use super::{AddressPair, Family};
use crate::wire::ipv4::{self, Ipv4Header};
use crate::wire::ipv6::{self, Fragment6, Ipv6Header};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::judge;

    proptest! {
        #[test]
        fn reads_what_the_judge_wrote(
            addresses in judge::addresses(), data in prop::collection::vec(any::<u8>(), 0..64),
            padding in 0usize..9, cut in any::<prop::sample::Index>(),
        ) {
            let whole = judge::udp(addresses, (1, 2), &data);
            let ip = addresses.family().header_len();
            let expected = Datagram {
                addresses,
                protocol: 17,
                traffic_class: 0,
                transport: ip,
                end: whole.len(),
                is_first: true,
                dont_fragment: true,
            };
            let mut padded = whole.clone();
            padded.resize(whole.len() + padding, 0xee);
            prop_assert_eq!(Datagram::read(&padded), Some(expected));
            prop_assert_eq!(expected.body(&padded), &whole[ip..]);
            let cut = &whole[..cut.index(whole.len())];
            prop_assert_eq!(Datagram::read(cut), (cut.len() >= ip).then_some(expected));
            prop_assert_eq!(expected.body(cut), cut.get(ip..).unwrap_or_default());
        }

        #[test]
        fn any_bytes_are_read_within_bounds(
            bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(44), Just(60), any::<u8>()], 1..120),
            version in prop_oneof![Just(0x40u8), Just(0x60)],
        ) {
            let mut bytes = bytes;
            bytes[0] = bytes[0] & 0x0f | version;
            if let Some(datagram) = Datagram::read(&bytes) {
                prop_assert!(datagram.transport <= bytes.len() && datagram.transport <= datagram.end);
                prop_assert!(datagram.body(&bytes).len() <= bytes.len() - datagram.transport);
            }
        }
    }

    #[test]
    fn fragments_and_lengths_of_ipv4() {
        let addresses = AddressPair::V4 {
            source: [192, 0, 2, 1].into(),
            destination: [192, 0, 2, 2].into(),
        };
        let with = |at: usize, value: u8| {
            let mut packet = judge::udp(addresses, (1, 2), &[]);
            packet[at] = value;
            Datagram::read(&packet)
        };
        assert!(with(7, 1).is_some_and(|datagram| !datagram.is_first));
        assert!(with(6, 0).is_some_and(|datagram| !datagram.dont_fragment));
        assert_eq!(with(0, 0x44), None, "a header of 16 bytes");
        assert_eq!(with(0, 0x4f), None, "a header beyond the packet");
        assert_eq!(with(3, 19), None, "a packet shorter than its header");
    }
}
