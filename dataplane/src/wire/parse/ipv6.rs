//! IPv6, its extension headers, and what it carries.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;

use super::transport;
use crate::Protocol;
use crate::verdict::DropReason;
use crate::wire::icmp::{IcmpHeader, IcmpKind};
use crate::wire::icmpv6;
use crate::wire::ip::AddressPair;
use crate::wire::ipv6::{self, Fragment6, Ipv6Header, is_martian_source_v6, walk_extensions};
use crate::wire::packet::{Content, Fragment, Layout, Packet};

pub(super) fn parse(bytes: &[u8], ip: usize) -> Result<Packet<Ipv6Addr>, DropReason> {
    let (header, rest) =
        Ipv6Header::ref_from_prefix(&bytes[ip..]).map_err(|_| DropReason::Truncated)?;
    if header.version() != 6 {
        return Err(DropReason::Ipv6Header);
    }
    let payload = rest
        .get(..usize::from(header.payload_len.get()))
        .ok_or(DropReason::Ipv6Length)?;
    let chain =
        walk_extensions(payload, header.next_header).map_err(|_| DropReason::Ipv6Extensions)?;
    let start = ip + ipv6::HEADER_LEN;
    let layout = Layout {
        // At most 18.
        ip: ip as u8,
        // A frame that is longer than 64 KiB can't be received (its mbuf is smaller).
        transport: u16::try_from(start + chain.offset).map_err(|_| DropReason::Ipv6Length)?,
        end: u16::try_from(start + payload.len()).map_err(|_| DropReason::Ipv6Length)?,
        hops: header.hop_limit,
    };
    let (source, destination) = (header.source(), header.destination());
    let body = &payload[chain.offset..];
    let content = match chain.fragment {
        Some(fragment) if !fragment.is_atomic() => read_fragment(fragment, chain.protocol, body)?,
        _ => read_content(header, chain.protocol, body)?,
    };
    // Duplicate address detection asks from no address (RFC 4862, section 5.4.2).
    let asks = content == Content::Discovery && source.is_unspecified();
    if is_martian_source_v6(source) && !asks {
        return Err(DropReason::Ipv6Source);
    }
    Ok(Packet {
        layout,
        source,
        destination,
        content,
    })
}

fn read_fragment(fragment: Fragment6, protocol: u8, body: &[u8]) -> Result<Content, DropReason> {
    let protocol = Protocol::from_number(protocol).ok_or(DropReason::Protocol)?;
    let first = fragment
        .is_first()
        .then(|| transport::parse_first(protocol, body));
    Ok(Content::Fragment(Fragment {
        id: fragment.id,
        protocol,
        first: first.transpose()?,
    }))
}

fn read_content(header: &Ipv6Header, protocol: u8, body: &[u8]) -> Result<Content, DropReason> {
    match Protocol::from_number(protocol) {
        Some(protocol) => Ok(Content::Segment(transport::parse(protocol, body)?)),
        None if protocol == icmpv6::PROTOCOL => read_icmp(header, body),
        None => Ok(Content::Other(protocol)),
    }
}

fn read_icmp(header: &Ipv6Header, body: &[u8]) -> Result<Content, DropReason> {
    let (message, _) = IcmpHeader::ref_from_prefix(body).map_err(|_| DropReason::Truncated)?;
    let (source, destination) = (header.source(), header.destination());
    let addresses = AddressPair::V6 {
        source,
        destination,
    };
    if icmpv6::checksum(addresses, body) != 0 {
        return Err(DropReason::IcmpChecksum);
    }
    Ok(match icmpv6::kind(message.kind, message.code) {
        IcmpKind::EchoRequest => Content::Echo,
        IcmpKind::Error(_) => Content::Error,
        IcmpKind::NeighborDiscovery => Content::Discovery,
        IcmpKind::EchoReply | IcmpKind::Other => Content::Other(icmpv6::PROTOCOL),
    })
}
