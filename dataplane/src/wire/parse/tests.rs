//! What the parser says of packets that `etherparse` has written, and of any bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, Ipv6RawExtHeader, PacketBuilder,
    PacketBuilderStep, TcpHeader, VlanId as EtherparseVlan,
};
use proptest::prelude::*;

use super::*;
use crate::Protocol;
use crate::offline::MemoryFrame;
use crate::wire::packet::{Content, Packet, Payload};
use crate::wire::tcp::TcpFlags;

/// A packet to write.
#[derive(Clone, Debug)]
struct Written {
    source: [u8; 16],
    destination: [u8; 16],
    ports: [u16; 2],
    is_v4: bool,
    is_tcp: bool,
    acknowledgement: u32,
    hops: u8,
    vlan: Option<u16>,
    /// Words of IPv4 options, or IPv6 extension headers.
    extra: usize,
    payload: usize,
    padding: usize,
}

fn written() -> impl Strategy<Value = Written> {
    // Unicast, whatever the rest.
    let address = any::<[u8; 16]>().prop_map(|mut address| {
        (address[0], address[1], address[2]) = (0x20, 0x01, 0x0d);
        address
    });
    let ends = (address.clone(), address, any::<[u16; 2]>());
    let kind = (any::<bool>(), any::<bool>(), any::<u32>(), any::<u8>());
    let shape = (
        prop::option::of(1u16..4095),
        0usize..4,
        0usize..200,
        0usize..40,
    );
    (ends, kind, shape).prop_map(|(ends, kind, shape)| Written {
        source: ends.0,
        destination: ends.1,
        ports: ends.2,
        is_v4: kind.0,
        is_tcp: kind.1,
        acknowledgement: kind.2,
        hops: kind.3,
        vlan: shape.0,
        extra: shape.1,
        payload: shape.2,
        padding: shape.3,
    })
}

impl Written {
    fn v4(address: [u8; 16]) -> Ipv4Addr {
        let [a, _, b, c, d, ..] = address;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Length of the IP header with its options or extension headers.
    fn header_len(&self) -> usize {
        if self.is_v4 {
            20 + 4 * self.extra
        } else {
            40 + if self.extra > 0 { 8 } else { 0 }
        }
    }

    fn transport_len(&self) -> usize {
        if self.is_tcp { 20 } else { 8 }
    }

    fn headers(&self) -> IpHeaders {
        if self.is_v4 {
            let (source, destination) = (Self::v4(self.source), Self::v4(self.destination));
            let ip = Ipv4Header {
                time_to_live: self.hops,
                protocol: IpNumber::UDP,
                fragment_offset: IpFragOffset::ZERO,
                source: source.octets(),
                destination: destination.octets(),
                // No operations, then the end of the list.
                options: [1u8, 1, 1, 0].repeat(self.extra)[..]
                    .try_into()
                    .expect("at most 40"),
                ..Ipv4Header::default()
            };
            return IpHeaders::Ipv4(ip, Default::default());
        }
        let ip = Ipv6Header {
            hop_limit: self.hops,
            source: self.source,
            destination: self.destination,
            ..Ipv6Header::default()
        };
        let mut extensions = etherparse::Ipv6Extensions::default();
        if self.extra > 0 {
            // Six bytes of padding.
            let options = Ipv6RawExtHeader::new_raw(IpNumber::UDP, &[1, 4, 0, 0, 0, 0]);
            extensions.destination_options = Some(options.expect("eight bytes"));
        }
        IpHeaders::Ipv6(ip, extensions)
    }

    fn builder(&self) -> PacketBuilderStep<IpHeaders> {
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
        match self.vlan {
            Some(id) => {
                let id = EtherparseVlan::try_new(id).expect("12 bits");
                ethernet.single_vlan(id).ip(self.headers())
            }
            None => ethernet.ip(self.headers()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut bytes, payload) = (vec![], vec![7; self.payload]);
        let [source, destination] = self.ports;
        let written = if self.is_tcp {
            let mut header = TcpHeader::new(source, destination, 1, 2);
            (header.ack, header.psh) = (true, true);
            header.acknowledgment_number = self.acknowledgement;
            self.builder()
                .tcp_header(header)
                .write(&mut bytes, &payload)
        } else {
            self.builder()
                .udp(source, destination)
                .write(&mut bytes, &payload)
        };
        written.expect("a vector takes all");
        bytes.resize(bytes.len() + self.padding, 0xaa);
        bytes
    }

    /// Checks all that the parser says of an IP packet but its addresses.
    fn check<A>(&self, packet: &Packet<A>) -> Result<(), TestCaseError> {
        let ip = if self.vlan.is_some() { 18 } else { 14 };
        let transport = ip + self.header_len();
        let layout = packet.layout;
        prop_assert_eq!(
            (usize::from(layout.ip), usize::from(layout.transport)),
            (ip, transport)
        );
        let end = transport + self.transport_len() + self.payload;
        prop_assert_eq!((usize::from(layout.end), layout.hops), (end, self.hops));
        let Content::Segment(segment) = packet.content else {
            return Err(TestCaseError::fail(format!("{:?}", packet.content)));
        };
        prop_assert_eq!([segment.source_port, segment.destination_port], self.ports);
        if self.is_tcp {
            prop_assert_eq!(segment.protocol, Protocol::Tcp);
            prop_assert_eq!(segment.acknowledgement, self.acknowledgement);
            prop_assert!(segment.flags.has(TcpFlags::ACK) && !segment.flags.has_syn());
        } else {
            prop_assert_eq!(segment.protocol, Protocol::Udp);
            prop_assert_eq!(segment.flags, TcpFlags::default());
        }
        Ok(())
    }
}

/// Every offset lies within the frame, in order.
fn check_layout<A>(packet: &Packet<A>, len: usize) -> Result<(), TestCaseError> {
    let layout = packet.layout;
    let (ip, transport, end) = (
        usize::from(layout.ip),
        usize::from(layout.transport),
        usize::from(layout.end),
    );
    prop_assert!(
        ip < transport && transport <= end && end <= len,
        "{:?} of {}",
        layout,
        len
    );
    Ok(())
}

proptest! {
    #[test]
    fn what_was_written_is_read(written in written()) {
        let frame = MemoryFrame::new(&written.bytes());
        let parsed = parse(&frame).map_err(|reason| TestCaseError::fail(format!("{reason:?}")))?;
        prop_assert_eq!(parsed.source.0, [2; 6]);
        prop_assert_eq!(parsed.destination.0, [4; 6]);
        prop_assert_eq!(parsed.vlan, written.vlan.and_then(ethernet::VlanId::new));
        match parsed.payload {
            Payload::Ipv4(packet) => {
                prop_assert_eq!(packet.source, Written::v4(written.source));
                prop_assert_eq!(packet.destination, Written::v4(written.destination));
                prop_assert!(written.is_v4);
                written.check(&packet)?;
            }
            Payload::Ipv6(packet) => {
                prop_assert_eq!(packet.source, Ipv6Addr::from(written.source));
                prop_assert_eq!(packet.destination, Ipv6Addr::from(written.destination));
                prop_assert!(!written.is_v4);
                written.check(&packet)?;
            }
            Payload::Arp(packet) => prop_assert!(false, "{packet:?}"),
        }
    }

    #[test]
    fn offsets_lie_within_the_frame_whatever_it_says(
        written in written(), damage in prop::collection::vec((12usize..90, any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(), whole in any::<bool>(),
    ) {
        let mut bytes = written.bytes();
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        match parse(&MemoryFrame::new(&bytes)).map(|parsed| parsed.payload) {
            Ok(Payload::Ipv4(packet)) => check_layout(&packet, bytes.len())?,
            Ok(Payload::Ipv6(packet)) => check_layout(&packet, bytes.len())?,
            Ok(Payload::Arp(_)) | Err(_) => {}
        }
    }
}
