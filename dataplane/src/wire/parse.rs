//! Reads a packet's headers once.
//!
//! [`parse`] is the only place where lengths are checked. What it returns is small and plain;
//! the offsets in it lie within the frame, so that what follows reads headers without asking again.
//! It knows the frame's bytes and nothing else: whether the packet is for Viaduct is decided later.

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::MacAddr;
use super::arp::ArpPacket;
use super::checksum::checksum;
use super::ethernet::{self, EthernetHeader, VlanId, VlanTag};
use super::icmp::{ECHO_REQUEST, IcmpHeader};
use super::ipv4::{self, Ipv4Header, is_martian_source};
use super::tcp::{self, TcpFlags, TcpHeader};
use super::udp::{self, UdpHeader};
use crate::Protocol;
use crate::flow::FlowKey;
use crate::frame::{Frame, RxChecksum};
use crate::verdict::DropReason;

/// A packet's Ethernet header and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Destination station.
    pub destination: MacAddr,
    /// Source station.
    pub source: MacAddr,
    /// The tag, if there is one with a VLAN id.
    pub vlan: Option<VlanId>,
    /// What follows the Ethernet header.
    pub payload: Payload,
}

/// What an Ethernet frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An ARP request or reply.
    Arp(ArpPacket),
    /// TCP or UDP over IPv4.
    Transport(Transport),
    /// An ICMP echo request over IPv4.
    Echo(Ipv4Layout, Ipv4Addr),
}

/// Where an IPv4 packet lies in its frame. All offsets count from the Ethernet header's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Layout {
    /// Start of the IPv4 header.
    pub ip: u8,
    /// Start of the payload.
    pub transport: u8,
    /// End of the payload; the frame may go on with padding.
    pub end: u16,
    /// Time to live.
    pub ttl: u8,
}

/// A TCP or UDP packet over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Where its headers are.
    pub layout: Ipv4Layout,
    /// Its 5-tuple.
    pub key: FlowKey<Ipv4Addr>,
    /// TCP's control bits; none for UDP.
    pub flags: TcpFlags,
}

/// Reads the headers of `frame`.
///
/// # Errors
/// The reason to drop it, if it is malformed or of a kind that is not handled.
#[inline]
pub fn parse<F: Frame>(frame: &F) -> Result<Parsed, DropReason> {
    if !frame.is_contiguous() {
        return Err(DropReason::MultiSegment);
    }
    parse_bytes(frame.bytes(), frame.ip_checksum())
}

fn parse_bytes(bytes: &[u8], ip_checksum: RxChecksum) -> Result<Parsed, DropReason> {
    let (header, rest) =
        EthernetHeader::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
    let mut vlan = None;
    let mut ethertype = header.ethertype.get();
    let mut offset = ethernet::HEADER_LEN;
    if ethertype == ethernet::ETHERTYPE_VLAN {
        let (tag, _) = VlanTag::ref_from_prefix(rest).map_err(|_| DropReason::Truncated)?;
        if tag.is_reserved() {
            return Err(DropReason::Vlan);
        }
        (vlan, ethertype) = (tag.vlan(), tag.ethertype.get());
        offset += ethernet::TAG_LEN;
    }
    let payload = match ethertype {
        ethernet::ETHERTYPE_IPV4 => parse_ipv4(bytes, offset, ip_checksum)?,
        ethernet::ETHERTYPE_ARP => parse_arp(&bytes[offset..])?,
        _ => return Err(DropReason::EtherType),
    };
    Ok(Parsed {
        destination: header.destination,
        source: header.source,
        vlan,
        payload,
    })
}

fn parse_arp(bytes: &[u8]) -> Result<Payload, DropReason> {
    if bytes.len() < super::arp::ARP_LEN {
        return Err(DropReason::Truncated);
    }
    let packet = ArpPacket::read(bytes).ok_or(DropReason::ArpInvalid)?;
    if packet.sender_mac.is_group() || packet.sender_mac == MacAddr::ZERO {
        return Err(DropReason::ArpInvalid);
    }
    Ok(Payload::Arp(packet))
}

fn parse_ipv4(bytes: &[u8], ip: usize, ip_checksum: RxChecksum) -> Result<Payload, DropReason> {
    let (header, _) =
        Ipv4Header::ref_from_prefix(&bytes[ip..]).map_err(|_| DropReason::Truncated)?;
    let layout = ipv4_layout(header, bytes.len(), ip)?;
    let wrong = match ip_checksum {
        RxChecksum::Good => false,
        RxChecksum::Bad => true,
        RxChecksum::Unknown => checksum(&bytes[ip..usize::from(layout.transport)]) != 0,
    };
    if wrong {
        return Err(DropReason::Ipv4Checksum);
    }
    if is_martian_source(header.source()) {
        return Err(DropReason::Ipv4Source);
    }
    if header.is_fragment() {
        return Err(DropReason::Fragment);
    }
    let body = &bytes[usize::from(layout.transport)..usize::from(layout.end)];
    match (header.protocol, Protocol::from_number(header.protocol)) {
        (_, Some(Protocol::Tcp)) => parse_tcp(body, header, layout),
        (_, Some(Protocol::Udp)) => parse_udp(body, header, layout),
        (ipv4::PROTOCOL_ICMP, _) => parse_icmp(body, header, layout),
        _ => Err(DropReason::Protocol),
    }
}

fn ipv4_layout(header: &Ipv4Header, frame: usize, ip: usize) -> Result<Ipv4Layout, DropReason> {
    if header.version() != 4 || header.header_len() < ipv4::MIN_HEADER_LEN {
        return Err(DropReason::Ipv4Header);
    }
    let total = usize::from(header.total_len.get());
    let end = ip + total;
    if total < header.header_len() || end > frame {
        return Err(DropReason::Ipv4Length);
    }
    Ok(Ipv4Layout {
        // At most 18 and 78.
        ip: ip as u8,
        transport: (ip + header.header_len()) as u8,
        // A frame that is longer than 64 KiB can't be received (its mbuf is smaller).
        end: u16::try_from(end).map_err(|_| DropReason::Ipv4Length)?,
        ttl: header.ttl,
    })
}

fn parse_tcp(body: &[u8], ip: &Ipv4Header, layout: Ipv4Layout) -> Result<Payload, DropReason> {
    let (header, _) = TcpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    if header.header_len() < tcp::MIN_HEADER_LEN || header.header_len() > body.len() {
        return Err(DropReason::TcpHeader);
    }
    if !header.flags.are_sane() {
        return Err(DropReason::TcpFlags);
    }
    let ports = (header.source_port.get(), header.destination_port.get());
    Ok(transport(ip, layout, Protocol::Tcp, ports, header.flags))
}

fn parse_udp(body: &[u8], ip: &Ipv4Header, layout: Ipv4Layout) -> Result<Payload, DropReason> {
    let (header, _) = UdpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    let len = usize::from(header.len.get());
    if len < udp::HEADER_LEN || len > body.len() {
        return Err(DropReason::UdpLength);
    }
    let ports = (header.source_port.get(), header.destination_port.get());
    Ok(transport(
        ip,
        layout,
        Protocol::Udp,
        ports,
        TcpFlags::default(),
    ))
}

fn transport(
    ip: &Ipv4Header,
    layout: Ipv4Layout,
    protocol: Protocol,
    (source_port, destination_port): (u16, u16),
    flags: TcpFlags,
) -> Payload {
    let key = FlowKey {
        source: ip.source(),
        destination: ip.destination(),
        source_port,
        destination_port,
        protocol,
    };
    Payload::Transport(Transport { layout, key, flags })
}

fn parse_icmp(body: &[u8], ip: &Ipv4Header, layout: Ipv4Layout) -> Result<Payload, DropReason> {
    let (header, _) = IcmpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    if header.kind != ECHO_REQUEST || header.code != 0 {
        return Err(DropReason::IcmpType);
    }
    if checksum(body) != 0 {
        return Err(DropReason::IcmpChecksum);
    }
    Ok(Payload::Echo(layout, ip.destination()))
}
