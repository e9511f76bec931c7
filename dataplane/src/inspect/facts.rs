//! What filters ask of a frame, read as far as it goes: malformed frames have facts too.

use std::net::IpAddr;

use zerocopy::FromBytes;

use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::{self, ETHERTYPE_ARP, EthernetHeader, VlanId, VlanTag};
use crate::wire::ip::{Datagram, PROTOCOL_TCP, PROTOCOL_UDP};

/// What is known of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The port that it came by, or leaves by.
    pub port: Option<usize>,
    /// Its VLAN.
    pub vlan: Option<VlanId>,
    /// What follows the Ethernet header; 0 if the frame is too short.
    pub ethertype: u16,
    /// Its packet, if its headers are there.
    pub ip: Option<IpFacts>,
}

/// What is known of a packet; of ARP, the sender's and the target's IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpFacts {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number; `None` in ARP.
    pub protocol: Option<u8>,
    /// Source and destination port. Later fragments have none.
    pub ports: Option<(u16, u16)>,
}

impl Facts {
    /// Reads a frame of this port.
    #[must_use]
    pub fn read(bytes: &[u8], port: Option<usize>) -> Self {
        let (vlan, ethertype, payload) = read_ethernet(bytes).unwrap_or((None, 0, &[]));
        let ip = match ethertype {
            ETHERTYPE_ARP => ArpPacket::read(payload).map(IpFacts::of_arp),
            _ => Datagram::read(payload).map(|datagram| IpFacts::of(&datagram, payload)),
        };
        Self {
            port,
            vlan,
            ethertype,
            ip,
        }
    }
}

impl IpFacts {
    fn of_arp(packet: ArpPacket) -> Self {
        Self {
            source: packet.sender_ip.into(),
            destination: packet.target_ip.into(),
            protocol: None,
            ports: None,
        }
    }

    fn of(datagram: &Datagram, bytes: &[u8]) -> Self {
        let has_ports =
            matches!(datagram.protocol, PROTOCOL_TCP | PROTOCOL_UDP) && datagram.is_first;
        let ports = datagram.body(bytes).first_chunk::<4>();
        let ports =
            ports.map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
        Self {
            source: datagram.addresses.source(),
            destination: datagram.addresses.destination(),
            protocol: Some(datagram.protocol),
            ports: ports.filter(|_| has_ports),
        }
    }
}

fn read_ethernet(bytes: &[u8]) -> Option<(Option<VlanId>, u16, &[u8])> {
    let (header, rest) = EthernetHeader::ref_from_prefix(bytes).ok()?;
    let ethertype = header.ethertype.get();
    if ethertype != ethernet::ETHERTYPE_VLAN {
        return Some((None, ethertype, rest));
    }
    let (tag, rest) = VlanTag::ref_from_prefix(rest).ok()?;
    Some((tag.vlan(), tag.ethertype.get(), rest))
}
