//! TCP segments that reset a connection (RFC 9293, section 3.10.7.1), for either family.

use zerocopy::{FromBytes, IntoBytes};

use super::checksum::Sum;
use super::ip::{AddressPair, Datagram, NewHeader, PROTOCOL_TCP};
use super::tcp::{self, TcpFlags, TcpHeader};

/// Length of the longest reset, in bytes: an IPv6 header and a TCP header.
pub const MAX_LEN: usize = 60;

/// What an answer needs to know of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source and destination.
    pub addresses: AddressPair,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of its first byte.
    pub sequence: u32,
    /// Acknowledgement number; counts if the flags have ACK.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Sequence numbers that it takes: its data, and one each for SYN and FIN.
    pub len: u32,
}

impl Segment {
    /// Reads the IP packet at the front of `packet`, which may be followed by padding. `None` if it
    /// is not a TCP segment, not there to its end, or a fragment other than the first.
    #[must_use]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let datagram = Datagram::read(packet)?;
        if datagram.protocol != PROTOCOL_TCP || !datagram.is_first || datagram.end > packet.len() {
            return None;
        }
        let body = datagram.body(packet);
        let (header, _) = TcpHeader::ref_from_prefix(body).ok()?;
        if header.header_len() < tcp::MIN_HEADER_LEN {
            return None;
        }
        let data = body.len().checked_sub(header.header_len())?;
        let markers = [TcpFlags::SYN, TcpFlags::FIN].map(|bit| u32::from(header.flags.has(bit)));
        Some(Self {
            addresses: datagram.addresses,
            source_port: header.source_port.get(),
            destination_port: header.destination_port.get(),
            sequence: header.sequence.get(),
            acknowledgement: header.acknowledgement.get(),
            flags: header.flags,
            // A packet is shorter than 2^16.
            len: data as u32 + markers[0] + markers[1],
        })
    }
}

/// A reset, as an answer or of one's own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Source and destination.
    pub addresses: AddressPair,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number: what the receiver expects next, or it takes no notice (RFC 9293,
    /// section 3.10.7.4; RFC 5961, section 3).
    pub sequence: u32,
    /// Acknowledgement number, if the segment is to have ACK.
    pub acknowledgement: Option<u32>,
}

impl Reset {
    /// The answer to a segment that belongs to no connection; `None` to a reset.
    #[must_use]
    pub fn answering(segment: &Segment) -> Option<Self> {
        if segment.flags.has(TcpFlags::RST) {
            return None;
        }
        let (sequence, acknowledgement) = if segment.flags.has(TcpFlags::ACK) {
            (segment.acknowledgement, None)
        } else {
            (0, Some(segment.sequence.wrapping_add(segment.len)))
        };
        Some(Self {
            addresses: segment.addresses.reversed(),
            source_port: segment.destination_port,
            destination_port: segment.source_port,
            sequence,
            acknowledgement,
        })
    }

    /// Writes the IP packet, of 40 or 60 bytes, to the front of `packet` and returns its length;
    /// `None` if there is no room.
    #[must_use]
    pub fn write(&self, packet: &mut [u8]) -> Option<usize> {
        let ip = self.addresses.family().header_len();
        let len = ip + tcp::MIN_HEADER_LEN;
        let body = packet.get_mut(..len)?.get_mut(ip..)?;
        body.copy_from_slice(self.header().as_bytes());
        NewHeader::message(self.addresses, PROTOCOL_TCP, tcp::MIN_HEADER_LEN).write(packet)?;
        Some(len)
    }

    fn header(&self) -> TcpHeader {
        let flags = match self.acknowledgement {
            Some(_) => TcpFlags::RST | TcpFlags::ACK,
            None => TcpFlags::RST,
        };
        let mut header = TcpHeader {
            source_port: self.source_port.into(),
            destination_port: self.destination_port.into(),
            sequence: self.sequence.into(),
            acknowledgement: self.acknowledgement.unwrap_or_default().into(),
            offset: (tcp::MIN_HEADER_LEN as u8 / 4) << 4,
            flags: TcpFlags(flags),
            window: 0.into(),
            checksum: 0.into(),
            urgent: 0.into(),
        };
        let sum = Sum::pseudo_header(self.addresses, PROTOCOL_TCP, tcp::MIN_HEADER_LEN);
        header.checksum = sum.bytes(header.as_bytes()).checksum().into();
        header
    }
}

#[cfg(test)]
mod tests {
    use etherparse::TransportHeader;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::judge;

    fn written(reset: &Reset) -> (Vec<u8>, etherparse::TcpHeader) {
        let mut packet = vec![0xaa; MAX_LEN];
        let len = reset.write(&mut packet).expect("room");
        packet.truncate(len);
        let headers = judge::judged(&packet);
        assert!(headers.payload.slice().is_empty());
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else {
            panic!("not TCP");
        };
        (packet, tcp)
    }

    prop_compose! {
        fn headers()(
            ports: (u16, u16), sequence: u32, acknowledgement: u32, syn: bool, fin: bool, ack: bool,
            option in any::<bool>(),
        ) -> etherparse::TcpHeader {
            let mut header = etherparse::TcpHeader::new(ports.0, ports.1, sequence, 99);
            header.acknowledgment_number = acknowledgement;
            (header.syn, header.fin, header.ack) = (syn, fin, ack);
            if option {
                header.set_options_raw(&[2, 4, 5, 0xb4]).expect("four bytes");
            }
            header
        }
    }

    proptest! {
        #[test]
        fn answers_are_what_the_sender_accepts(
            addresses in judge::addresses(), header in headers(),
            data in prop::collection::vec(any::<u8>(), 0..40), padding in 0usize..6,
        ) {
            let mut packet = judge::tcp(addresses, header.clone(), &data);
            packet.resize(packet.len() + padding, 0);
            let segment = Segment::read(&packet).expect("a segment");
            let reset = Reset::answering(&segment).expect("no reset");
            let (bytes, tcp) = written(&reset);
            prop_assert!(tcp.rst && !tcp.syn && !tcp.fin);
            prop_assert_eq!(tcp.source_port, header.destination_port);
            prop_assert_eq!(tcp.destination_port, header.source_port);
            let outside = Datagram::read(&bytes).expect("a packet");
            prop_assert_eq!(outside.addresses, addresses.reversed());
            if header.ack {
                prop_assert_eq!(tcp.sequence_number, header.acknowledgment_number);
                prop_assert!(!tcp.ack);
            } else {
                let len = data.len() as u32 + u32::from(header.syn) + u32::from(header.fin);
                prop_assert_eq!(tcp.sequence_number, 0);
                prop_assert!(tcp.ack);
                prop_assert_eq!(tcp.acknowledgment_number, header.sequence_number.wrapping_add(len));
            }
            // Nobody answers a reset, and a packet cut short is no segment.
            let again = Segment::read(&bytes).expect("a segment");
            prop_assert_eq!(Reset::answering(&again), None);
            prop_assert_eq!(Segment::read(&packet[..packet.len() - padding - 1]), None);
        }

        #[test]
        fn spontaneous_resets_say_what_they_are_told(
            addresses in judge::addresses(), ports: (u16, u16), sequence: u32,
            acknowledgement: Option<u32>, room in 0..MAX_LEN,
        ) {
            let (source_port, destination_port) = ports;
            let reset = Reset { addresses, source_port, destination_port, sequence, acknowledgement };
            let (bytes, tcp) = written(&reset);
            let segment = Segment::read(&bytes).expect("a segment");
            prop_assert_eq!(segment.addresses, addresses);
            prop_assert_eq!((segment.source_port, segment.destination_port), ports);
            prop_assert_eq!((segment.sequence, segment.len), (sequence, 0));
            prop_assert_eq!(tcp.ack.then_some(tcp.acknowledgment_number), acknowledgement);
            let mut short = vec![0; room];
            prop_assert_eq!(reset.write(&mut short).is_some(), room >= bytes.len());
        }
    }
}
