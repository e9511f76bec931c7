//! Changes a packet's endpoints in place: addresses, ports, hops, checksums.
//!
//! Checksums are updated, not made anew (RFC 1624): the change is the same for every packet of a
//! direction, and follows from the flow.

use zerocopy::FromBytes;

use super::Transport;
use super::side::Side;
use crate::Protocol;
use crate::flow::key::Endpoint;
use crate::wire::checksum::Delta;
use crate::wire::tcp::TcpHeader;
use crate::wire::udp::UdpHeader;

/// Gives a packet its new source and destination, and takes a hop off, which there must be.
/// `changes` are those of the addresses and of the whole, as checksums see them. A later fragment
/// has no ports and no checksum of its own.
#[inline]
pub(super) fn rewrite<A: Side>(
    bytes: &mut [u8],
    packet: &Transport<A>,
    [source, destination]: [Endpoint<A>; 2],
    (ip_change, transport_change): (Delta, Delta),
) -> Option<()> {
    let ends = [source.0, destination.0];
    A::rewrite_header(bytes, usize::from(packet.layout.ip), ends, ip_change)?;
    if !packet.has_header {
        return Some(());
    }
    let body = bytes.get_mut(usize::from(packet.layout.transport)..)?;
    match packet.key.protocol {
        Protocol::Tcp => {
            let (tcp, _) = TcpHeader::mut_from_prefix(body).ok()?;
            tcp.source_port = source.1.into();
            tcp.destination_port = destination.1.into();
            tcp.checksum = transport_change.apply(tcp.checksum.get()).into();
        }
        Protocol::Udp => {
            let (udp, _) = UdpHeader::mut_from_prefix(body).ok()?;
            udp.source_port = source.1.into();
            udp.destination_port = destination.1.into();
            udp.checksum = transport_change.apply_udp(udp.checksum.get()).into();
        }
    }
    Some(())
}
