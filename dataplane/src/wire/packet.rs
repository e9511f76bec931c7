//! What the parser says of a packet: small, plain values whose offsets lie within the frame.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::MacAddr;
use super::arp::ArpPacket;
use super::ethernet::VlanId;
use super::tcp::TcpFlags;
use crate::Protocol;

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
    /// An IPv4 packet.
    Ipv4(Packet<Ipv4Addr>),
    /// An IPv6 packet.
    Ipv6(Packet<Ipv6Addr>),
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<A> {
    /// Where its headers are.
    pub layout: Layout,
    /// Where it comes from.
    pub source: A,
    /// Where it goes.
    pub destination: A,
    /// What it carries.
    pub content: Content,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A whole TCP segment or UDP datagram.
    Segment(Segment),
    /// A part of a datagram.
    Fragment(Fragment),
    /// An ICMP echo request.
    Echo,
    /// An ICMP message about a packet that could not be delivered.
    Error,
    /// Neighbor Discovery (IPv6).
    Discovery,
    /// Something else of this protocol number.
    Other(u8),
}

/// Where an IP packet lies in its frame. All offsets count from the Ethernet header's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Start of the IP header.
    pub ip: u8,
    /// Start of the payload, after options and extension headers.
    pub transport: u16,
    /// End of the payload; the frame may go on with padding.
    pub end: u16,
    /// Hops left (IPv4: time to live).
    pub hops: u8,
}

impl Layout {
    /// Length of the IP packet, in bytes.
    #[must_use]
    pub const fn packet_len(&self) -> u16 {
        self.end - self.ip as u16
    }
}

/// What a TCP or UDP header says that matters to the packet path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// TCP's control bits; none for UDP.
    pub flags: TcpFlags,
    /// TCP's acknowledgement number; 0 for UDP.
    pub acknowledgement: u32,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Which datagram of its sender it is a part of.
    pub id: u32,
    /// The datagram's protocol: TCP or UDP.
    pub protocol: Protocol,
    /// The transport header, in the first part.
    pub first: Option<Segment>,
}
