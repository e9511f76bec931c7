//! TCP and UDP, whole or as the first part of a datagram.

use zerocopy::FromBytes;

use crate::Protocol;
use crate::verdict::DropReason;
use crate::wire::packet::Segment;
use crate::wire::tcp::{self, TcpFlags, TcpHeader};
use crate::wire::udp::{self, UdpHeader};

/// Reads the header in front of a whole segment or datagram.
pub(super) fn parse(protocol: Protocol, body: &[u8]) -> Result<Segment, DropReason> {
    match protocol {
        Protocol::Tcp => parse_tcp(body),
        Protocol::Udp => {
            let (segment, len) = parse_udp(body)?;
            (len <= body.len())
                .then_some(segment)
                .ok_or(DropReason::UdpLength)
        }
    }
}

/// Reads the header in the first part of a datagram, which must hold all of it (RFC 1858; RFC 7112):
/// what is spread over several parts can only be meant to deceive.
pub(super) fn parse_first(protocol: Protocol, body: &[u8]) -> Result<Segment, DropReason> {
    let parsed = match protocol {
        Protocol::Tcp => parse_tcp(body),
        Protocol::Udp => parse_udp(body).map(|(segment, _)| segment),
    };
    parsed.map_err(|reason| match reason {
        DropReason::Truncated => DropReason::FragmentTiny,
        other => other,
    })
}

fn parse_tcp(body: &[u8]) -> Result<Segment, DropReason> {
    let (header, _) = TcpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    if header.header_len() < tcp::MIN_HEADER_LEN || header.header_len() > body.len() {
        return Err(DropReason::TcpHeader);
    }
    if !header.flags.are_sane() {
        return Err(DropReason::TcpFlags);
    }
    Ok(Segment {
        protocol: Protocol::Tcp,
        source_port: header.source_port.get(),
        destination_port: header.destination_port.get(),
        flags: header.flags,
        acknowledgement: header.acknowledgement.get(),
    })
}

/// The header, and the datagram's length as it says.
fn parse_udp(body: &[u8]) -> Result<(Segment, usize), DropReason> {
    let (header, _) = UdpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    let len = usize::from(header.len.get());
    if len < udp::HEADER_LEN {
        return Err(DropReason::UdpLength);
    }
    let segment = Segment {
        protocol: Protocol::Udp,
        source_port: header.source_port.get(),
        destination_port: header.destination_port.get(),
        flags: TcpFlags::default(),
        acknowledgement: 0,
    };
    Ok((segment, len))
}
