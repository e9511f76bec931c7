//! Reads a packet's headers once.
//!
//! [`parse`] is the only place where lengths are checked. What it returns is small and plain;
//! the offsets in it lie within the frame, so that what follows reads headers without asking again.
//! It knows the frame's bytes and nothing else: whether the packet is for Viaduct is decided later.

mod ipv4;
mod ipv6;
mod transport;

use zerocopy::FromBytes;

use super::MacAddr;
use super::arp::ArpPacket;
use super::ethernet::{self, EthernetHeader, VlanTag};
use super::packet::{Parsed, Payload};
use crate::frame::{Frame, RxChecksum};
use crate::verdict::DropReason;

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
        ethernet::ETHERTYPE_IPV4 => Payload::Ipv4(ipv4::parse(bytes, offset, ip_checksum)?),
        ethernet::ETHERTYPE_IPV6 => Payload::Ipv6(ipv6::parse(bytes, offset)?),
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

#[cfg(test)]
mod tests;
