//! Changes headers in place: addresses, ports, TTL, checksums, Ethernet.
//!
//! Checksums are updated, not made anew (RFC 1624): the change is the same for every packet of a
//! direction, and is computed when the flow is made.

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use crate::Protocol;
use crate::flow::Endpoint;
use crate::frame::Frame;
use crate::network::Interface;
use crate::verdict::DropReason;
use crate::wire::MacAddr;
use crate::wire::checksum::Delta;
use crate::wire::ethernet::{self, ETHERTYPE_IPV4};
use crate::wire::ipv4::Ipv4Header;
use crate::wire::parse::Ipv4Layout;
use crate::wire::tcp::TcpHeader;
use crate::wire::udp::UdpHeader;

/// What a packet leaves with: source and destination, and the changes to its checksums.
pub(super) struct Leaving {
    pub(super) endpoints: [Endpoint<Ipv4Addr>; 2],
    pub(super) ip: Delta,
    pub(super) transport: Delta,
}

/// Gives a packet its new endpoints, and takes a hop off its TTL, which must be above 1.
pub(super) fn rewrite_ipv4(
    bytes: &mut [u8],
    layout: Ipv4Layout,
    protocol: Protocol,
    leaving: &Leaving,
) -> Option<()> {
    let [source, destination] = leaving.endpoints;
    // One hop less: the word of TTL and protocol shrinks by 0x100, whatever it is.
    let hop = Delta::of_word(0x0100, 0);
    let (ip, _) = Ipv4Header::mut_from_prefix(bytes.get_mut(usize::from(layout.ip)..)?).ok()?;
    ip.source = source.0.octets();
    ip.destination = destination.0.octets();
    ip.ttl -= 1;
    ip.checksum = leaving.ip.and(hop).apply(ip.checksum.get()).into();
    let body = bytes.get_mut(usize::from(layout.transport)..)?;
    match protocol {
        Protocol::Tcp => {
            let (tcp, _) = TcpHeader::mut_from_prefix(body).ok()?;
            tcp.source_port = source.1.into();
            tcp.destination_port = destination.1.into();
            tcp.checksum = leaving.transport.apply(tcp.checksum.get()).into();
        }
        Protocol::Udp => {
            let (udp, _) = UdpHeader::mut_from_prefix(body).ok()?;
            udp.source_port = source.1.into();
            udp.destination_port = destination.1.into();
            udp.checksum = leaving.transport.apply_udp(udp.checksum.get()).into();
        }
    }
    Some(())
}

/// Gives an IPv4 frame the Ethernet header with which it leaves by `interface`, and cuts padding.
pub(super) fn rewrite_ethernet<F: Frame>(
    frame: &mut F,
    layout: Ipv4Layout,
    interface: &Interface,
    destination: MacAddr,
) -> Result<(), DropReason> {
    frame.truncate(usize::from(layout.end));
    let (has, needs) = (usize::from(layout.ip), ethernet::header_len(interface.vlan));
    if needs < has {
        frame.trim_front(has - needs);
    } else if needs > has && !frame.prepend(needs - has) {
        return Err(DropReason::Headroom);
    }
    let (mac, vlan) = (interface.mac, interface.vlan);
    let written = ethernet::write(frame.bytes_mut(), destination, mac, vlan, ETHERTYPE_IPV4);
    if written {
        Ok(())
    } else {
        Err(DropReason::Truncated)
    }
}
