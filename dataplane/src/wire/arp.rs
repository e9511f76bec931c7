//! ARP for IPv4 over Ethernet (RFC 826), and its announcements (RFC 5227).

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::MacAddr;

/// Length of an ARP packet for IPv4 over Ethernet, in bytes.
pub const ARP_LEN: usize = 28;

const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;
const OPERATION_REQUEST: u16 = 1;
const OPERATION_REPLY: u16 = 2;

/// The packet as it is on the wire.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ArpHeader {
    hardware: U16,
    protocol: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender_ip: [u8; 4],
    target_mac: MacAddr,
    target_ip: [u8; 4],
}

/// What an ARP packet asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's station.
    pub sender_mac: MacAddr,
    /// The sender's address; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// The station asked or told; zero in a request.
    pub target_mac: MacAddr,
    /// The address asked about, or the asker's in a reply.
    pub target_ip: Ipv4Addr,
}

impl ArpPacket {
    /// Reads the packet at the front of `bytes`; `None` unless it is a request or reply for
    /// IPv4 over Ethernet.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (header, _) = ArpHeader::ref_from_prefix(bytes).ok()?;
        let known = header.hardware == HARDWARE_ETHERNET
            && header.protocol == PROTOCOL_IPV4
            && header.hardware_len == 6
            && header.protocol_len == 4;
        let operation = match header.operation.get() {
            OPERATION_REQUEST => ArpOperation::Request,
            OPERATION_REPLY => ArpOperation::Reply,
            _ => return None,
        };
        known.then_some(Self {
            operation,
            sender_mac: header.sender_mac,
            sender_ip: header.sender_ip.into(),
            target_mac: header.target_mac,
            target_ip: header.target_ip.into(),
        })
    }

    /// The packet's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ARP_LEN] {
        let operation = match self.operation {
            ArpOperation::Request => OPERATION_REQUEST,
            ArpOperation::Reply => OPERATION_REPLY,
        };
        let header = ArpHeader {
            hardware: HARDWARE_ETHERNET.into(),
            protocol: PROTOCOL_IPV4.into(),
            hardware_len: 6,
            protocol_len: 4,
            operation: operation.into(),
            sender_mac: self.sender_mac,
            sender_ip: self.sender_ip.octets(),
            target_mac: self.target_mac,
            target_ip: self.target_ip.octets(),
        };
        zerocopy::transmute!(header)
    }

    /// Asks whether anybody has `address` already, without saying that we do (RFC 5227, section
    /// 2.1.1).
    #[must_use]
    pub const fn probe(mac: MacAddr, address: Ipv4Addr) -> Self {
        Self {
            operation: ArpOperation::Request,
            sender_mac: mac,
            sender_ip: Ipv4Addr::UNSPECIFIED,
            target_mac: MacAddr::ZERO,
            target_ip: address,
        }
    }

    /// Tells every station that `mac` has `address` now (RFC 5227, sections 2.3 and 3): a request
    /// for the sender's own address, to be broadcast, which updates those that have an entry.
    #[must_use]
    pub const fn announcement(mac: MacAddr, address: Ipv4Addr) -> Self {
        Self {
            operation: ArpOperation::Request,
            sender_mac: mac,
            sender_ip: address,
            target_mac: MacAddr::ZERO,
            target_ip: address,
        }
    }

    /// The reply that says that `mac` has the address asked about.
    #[must_use]
    pub fn reply_from(&self, mac: MacAddr) -> Self {
        Self {
            operation: ArpOperation::Reply,
            sender_mac: mac,
            sender_ip: self.target_ip,
            target_mac: self.sender_mac,
            target_ip: self.sender_ip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ArpPacket {
        ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            sender_ip: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: MacAddr::ZERO,
            target_ip: Ipv4Addr::new(10, 0, 0, 2),
        }
    }

    #[test]
    fn emit_then_parse_is_identity() {
        for packet in [request(), request().reply_from(MacAddr([2; 6]))] {
            assert_eq!(ArpPacket::read(&packet.to_bytes()), Some(packet));
        }
    }

    #[test]
    fn an_announcement_asks_for_its_own_address() {
        let (mac, address) = (MacAddr([2, 0, 0, 0, 0, 7]), Ipv4Addr::new(192, 0, 2, 9));
        let bytes = ArpPacket::announcement(mac, address).to_bytes();
        let packet = etherparse::ArpPacketSlice::from_slice(&bytes).expect("a whole packet");
        assert_eq!(packet.operation(), etherparse::ArpOperation::REQUEST);
        assert_eq!(packet.sender_hw_addr(), mac.0);
        assert_eq!(packet.target_hw_addr(), [0; 6]);
        assert_eq!(packet.sender_protocol_addr(), address.octets());
        assert_eq!(packet.target_protocol_addr(), address.octets());
    }

    #[test]
    fn other_hardware_protocols_and_operations_are_refused() {
        for (index, value) in [(1, 2), (2, 0x86), (4, 8), (5, 16), (7, 3)] {
            let mut bytes = request().to_bytes();
            bytes[index] = value;
            assert_eq!(ArpPacket::read(&bytes), None, "byte {index} = {value}");
        }
        assert_eq!(ArpPacket::read(&request().to_bytes()[..27]), None);
    }
}
