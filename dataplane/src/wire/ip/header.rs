//! Writes the header of a packet that starts here.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::AddressPair;
use crate::wire::checksum::checksum;
use crate::wire::ipv4::{self, Ipv4Header};
use crate::wire::ipv6::{self, Ipv6Header};

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

#[cfg(test)]
mod tests {
    use etherparse::NetHeaders;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ip::Family;
    use crate::wire::judge;

    proptest! {
        #[test]
        fn the_judge_reads_what_was_written(
            addresses in judge::addresses(), traffic_class: u8, ttl: u8, payload_len in 0usize..100,
            identification: Option<u16>, flow_label in 0u32..1 << 20,
        ) {
            // A protocol for experiments, into which the judge does not look.
            let protocol = 253;
            let header = NewHeader {
                addresses, protocol, traffic_class, ttl, payload_len, identification, flow_label,
            };
            let len = addresses.family().header_len();
            let mut packet = vec![0xaa; len + payload_len];
            prop_assert_eq!(header.write(&mut packet), Some(len));
            prop_assert_eq!(header.write(&mut packet[..len - 1]), None);
            match judge::judged(&packet).net {
                Some(NetHeaders::Ipv4(ip, _)) => {
                    prop_assert_eq!(addresses, (Ipv4Addr::from(ip.source), Ipv4Addr::from(ip.destination)).into());
                    prop_assert_eq!(ip.dscp.value() << 2 | ip.ecn.value(), traffic_class);
                    prop_assert_eq!((ip.protocol.0, ip.time_to_live), (protocol, ttl));
                    prop_assert_eq!(ip.dont_fragment, identification.is_none());
                    prop_assert_eq!(ip.identification, identification.unwrap_or(0));
                    prop_assert!(!ip.more_fragments && ip.fragment_offset.value() == 0);
                }
                Some(NetHeaders::Ipv6(ip, _)) => {
                    prop_assert_eq!(addresses, (ip.source_addr(), ip.destination_addr()).into());
                    prop_assert_eq!((ip.next_header.0, ip.hop_limit), (protocol, ttl));
                    prop_assert_eq!((ip.traffic_class, ip.flow_label.value()), (traffic_class, flow_label));
                }
                _ => prop_assert!(false, "not IP"),
            }
        }

        #[test]
        fn nothing_is_written_that_is_too_long(addresses in judge::addresses(), payload_len in 65500usize..65600) {
            let header = NewHeader::message(addresses, 253, payload_len);
            let longest = match addresses.family() {
                Family::V4 => 65535 - 20,
                Family::V6 => 65535,
            };
            let mut front = [0xaa; 40];
            prop_assert_eq!(header.write(&mut front).is_some(), payload_len <= longest);
            prop_assert!(payload_len <= longest || front == [0xaa; 40]);
        }
    }
}
