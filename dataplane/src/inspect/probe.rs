//! Frames to ask about, made from a 5-tuple.

use std::net::SocketAddr;

use zerocopy::IntoBytes;

use crate::Protocol;
use crate::network::Interface;
use crate::wire::MacAddr;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::wire::ip::{AddressPair, Family, NewHeader};
use crate::wire::tcp::{self, TcpFlags, TcpHeader};
use crate::wire::udp::{self, UdpHeader};

/// Who sends it: a locally administered address that no station of ours has.
const STATION: MacAddr = MacAddr([0x02, 0, 0, 0, 0xff, 0xfe]);

/// A packet to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// TCP's control bits.
    pub flags: TcpFlags,
    /// Hops that it may make.
    pub hops: u8,
    /// Bytes behind the transport header.
    pub payload: u16,
}

/// There is no such packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// One end is IPv4 and the other IPv6.
    #[error("{0} and {1} are of different address families; give two of the same")]
    Families(SocketAddr, SocketAddr),
    /// It would be longer than an IP packet can be.
    #[error("a packet with {0} bytes of payload is longer than IP allows; give fewer")]
    TooLong(u16),
}

impl Probe {
    /// The frame with which this packet would come to `interface`, with correct checksums and a
    /// payload of zeros.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn frame(&self, interface: &Interface) -> Result<Vec<u8>, ProbeError> {
        let (source, destination) = (self.source.ip(), self.destination.ip());
        let addresses = AddressPair::new(source, destination)
            .ok_or(ProbeError::Families(self.source, self.destination))?;
        let segment = self.segment(addresses);
        let header = NewHeader {
            ttl: self.hops,
            ..NewHeader::message(addresses, self.protocol as u8, segment.len())
        };
        let front = ethernet::header_len(interface.vlan);
        let ip = addresses.family().header_len();
        let mut frame = vec![0; front + ip];
        let too_long = ProbeError::TooLong(self.payload);
        header.write(&mut frame[front..]).ok_or(too_long)?;
        let ethertype = match addresses.family() {
            Family::V4 => ETHERTYPE_IPV4,
            Family::V6 => ETHERTYPE_IPV6,
        };
        let written = ethernet::write(
            &mut frame,
            interface.mac,
            STATION,
            interface.vlan,
            ethertype,
        );
        debug_assert!(written, "there is room for the header");
        frame.extend(segment);
        Ok(frame)
    }

    fn segment(&self, addresses: AddressPair) -> Vec<u8> {
        let header = match self.protocol {
            Protocol::Tcp => self.tcp().as_bytes().to_vec(),
            Protocol::Udp => self.udp().as_bytes().to_vec(),
        };
        let mut segment = header;
        segment.resize(segment.len() + usize::from(self.payload), 0);
        let sum = Sum::pseudo_header(addresses, self.protocol as u8, segment.len());
        let sum = sum.bytes(&segment);
        let (sum, place) = match self.protocol {
            Protocol::Tcp => (sum.checksum(), 16..18),
            Protocol::Udp => (sum.checksum_udp(), 6..8),
        };
        segment[place].copy_from_slice(&sum.to_be_bytes());
        segment
    }

    fn tcp(&self) -> TcpHeader {
        TcpHeader {
            source_port: self.source.port().into(),
            destination_port: self.destination.port().into(),
            sequence: 0.into(),
            acknowledgement: 0.into(),
            offset: ((tcp::MIN_HEADER_LEN / 4) << 4) as u8,
            flags: self.flags,
            window: u16::MAX.into(),
            checksum: 0.into(),
            urgent: 0.into(),
        }
    }

    fn udp(&self) -> UdpHeader {
        UdpHeader {
            source_port: self.source.port().into(),
            destination_port: self.destination.port().into(),
            len: (udp::HEADER_LEN as u16).saturating_add(self.payload).into(),
            checksum: 0.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketHeaders, TransportHeader};

    use super::*;
    use crate::wire::ethernet::VlanId;

    fn probe(protocol: Protocol, source: &str, destination: &str) -> Probe {
        Probe {
            protocol,
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            flags: TcpFlags(TcpFlags::SYN),
            hops: 9,
            payload: 33,
        }
    }

    #[test]
    fn frames_are_right_in_every_family_and_protocol() {
        let mut interface = Interface::new(0, MacAddr([2; 6]));
        for vlan in [None, VlanId::new(7)] {
            interface.vlan = vlan;
            for (source, destination) in [
                ("10.0.0.1:1", "11.0.0.1:80"),
                ("[fd00::1]:1", "[fd00::2]:80"),
            ] {
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    let frame = probe(protocol, source, destination).frame(&interface);
                    let frame = frame.expect("of one family");
                    let read = PacketHeaders::from_ethernet_slice(&frame).expect("well formed");
                    assert_eq!(read.link_exts.is_empty(), vlan.is_none());
                    let payload = read.payload.slice();
                    assert_eq!(payload.len(), 33);
                    let (net, transport) = (read.net.expect("IP"), read.transport);
                    let (found, made) = match transport.expect("a transport header") {
                        TransportHeader::Tcp(tcp) => (
                            tcp.checksum,
                            match net {
                                etherparse::NetHeaders::Ipv4(ip, _) => {
                                    tcp.calc_checksum_ipv4(&ip, payload)
                                }
                                etherparse::NetHeaders::Ipv6(ip, _) => {
                                    tcp.calc_checksum_ipv6(&ip, payload)
                                }
                                etherparse::NetHeaders::Arp(_) => panic!("not IP"),
                            },
                        ),
                        TransportHeader::Udp(udp) => (
                            udp.checksum,
                            match net {
                                etherparse::NetHeaders::Ipv4(ip, _) => {
                                    udp.calc_checksum_ipv4(&ip, payload)
                                }
                                etherparse::NetHeaders::Ipv6(ip, _) => {
                                    udp.calc_checksum_ipv6(&ip, payload)
                                }
                                etherparse::NetHeaders::Arp(_) => panic!("not IP"),
                            },
                        ),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(found, made.expect("short enough"));
                }
            }
        }
    }

    #[test]
    fn families_are_not_mixed() {
        let interface = Interface::new(0, MacAddr([2; 6]));
        let mixed = probe(Protocol::Tcp, "10.0.0.1:1", "[fd00::2]:80").frame(&interface);
        let error = mixed.expect_err("two families").to_string();
        assert!(
            error.contains("10.0.0.1:1") && error.contains("fd00::2"),
            "{error}"
        );
    }
}
