//! IPv4 and what it carries.

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::transport;
use crate::Protocol;
use crate::frame::RxChecksum;
use crate::verdict::DropReason;
use crate::wire::checksum::checksum;
use crate::wire::icmp::{self, IcmpKind};
use crate::wire::ipv4::{self, Ipv4Header, is_martian_source};
use crate::wire::packet::{Content, Fragment, Layout, Packet};

pub(super) fn parse(
    bytes: &[u8],
    ip: usize,
    ip_checksum: RxChecksum,
) -> Result<Packet<Ipv4Addr>, DropReason> {
    let (header, _) =
        Ipv4Header::ref_from_prefix(&bytes[ip..]).map_err(|_| DropReason::Truncated)?;
    let layout = read_layout(header, bytes.len(), ip)?;
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
    let body = &bytes[usize::from(layout.transport)..usize::from(layout.end)];
    Ok(Packet {
        layout,
        source: header.source(),
        destination: header.destination(),
        content: read_content(header, body)?,
    })
}

fn read_layout(header: &Ipv4Header, frame: usize, ip: usize) -> Result<Layout, DropReason> {
    if header.version() != 4 || header.header_len() < ipv4::MIN_HEADER_LEN {
        return Err(DropReason::Ipv4Header);
    }
    let total = usize::from(header.total_len.get());
    let end = ip + total;
    if total < header.header_len() || end > frame {
        return Err(DropReason::Ipv4Length);
    }
    Ok(Layout {
        // At most 18 and 78.
        ip: ip as u8,
        transport: (ip + header.header_len()) as u16,
        // A frame that is longer than 64 KiB can't be received (its mbuf is smaller).
        end: u16::try_from(end).map_err(|_| DropReason::Ipv4Length)?,
        hops: header.ttl,
    })
}

fn read_content(header: &Ipv4Header, body: &[u8]) -> Result<Content, DropReason> {
    let protocol = Protocol::from_number(header.protocol);
    if header.is_fragment() {
        // Fragments of anything else are for nobody: echo requests that large are refused.
        let protocol = protocol.ok_or(DropReason::Protocol)?;
        let first = (header.fragment_offset() == 0).then(|| transport::parse_first(protocol, body));
        return Ok(Content::Fragment(Fragment {
            id: u32::from(header.identification.get()),
            protocol,
            first: first.transpose()?,
        }));
    }
    match (protocol, header.protocol) {
        (Some(protocol), _) => Ok(Content::Segment(transport::parse(protocol, body)?)),
        (None, ipv4::PROTOCOL_ICMP) => read_icmp(body),
        (None, other) => Ok(Content::Other(other)),
    }
}

fn read_icmp(body: &[u8]) -> Result<Content, DropReason> {
    let (header, _) = icmp::IcmpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    if checksum(body) != 0 {
        return Err(DropReason::IcmpChecksum);
    }
    Ok(match icmp::kind(header.kind, header.code) {
        IcmpKind::EchoRequest => Content::Echo,
        IcmpKind::Error(_) => Content::Error,
        _ => Content::Other(ipv4::PROTOCOL_ICMP),
    })
}
