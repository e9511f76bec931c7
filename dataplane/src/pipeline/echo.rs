//! ICMP echo: answers `ping` of Viaduct's own addresses and of VIPs (RFC 792; RFC 1122, 3.2.2.6).

use zerocopy::FromBytes;

use super::Pipeline;
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::checksum::{Delta, checksum};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::icmp::{ECHO_REPLY, ECHO_REQUEST, IcmpHeader};
use crate::wire::ipv4::Ipv4Header;
use crate::wire::parse::Ipv4Layout;

/// Time to live of a reply (RFC 1700's recommended default).
const TTL: u8 = 64;

impl<F: Frame> Pipeline<F> {
    /// Turns the request into its reply. It goes back to the station that it came from, which need
    /// not be the route to the client: a reply needs no neighbor.
    pub(super) fn answer_echo(
        &mut self,
        frame: &mut F,
        interface: InterfaceIndex,
        layout: Ipv4Layout,
    ) -> Result<Verdict, DropReason> {
        let mac = self.network.interface(interface).mac;
        let bytes = frame.bytes_mut();
        let (ethernet, _) =
            EthernetHeader::mut_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        ethernet.destination = ethernet.source;
        ethernet.source = mac;
        reply_ip(bytes, layout).ok_or(DropReason::Truncated)?;
        reply_icmp(bytes, layout).ok_or(DropReason::Truncated)?;
        Ok(Verdict::Reply(interface))
    }
}

/// Swaps the addresses. The header's checksum is made anew, for the TTL starts over.
fn reply_ip(bytes: &mut [u8], layout: Ipv4Layout) -> Option<()> {
    let header = bytes.get_mut(usize::from(layout.ip)..usize::from(layout.transport))?;
    let (ip, _) = Ipv4Header::mut_from_prefix(header).ok()?;
    std::mem::swap(&mut ip.source, &mut ip.destination);
    ip.ttl = TTL;
    ip.checksum = 0.into();
    let sum = checksum(header);
    let (ip, _) = Ipv4Header::mut_from_prefix(header).ok()?;
    ip.checksum = sum.into();
    Some(())
}

fn reply_icmp(bytes: &mut [u8], layout: Ipv4Layout) -> Option<()> {
    let (icmp, _) =
        IcmpHeader::mut_from_prefix(bytes.get_mut(usize::from(layout.transport)..)?).ok()?;
    let change = Delta::of_word(
        u16::from_be_bytes([ECHO_REQUEST, 0]),
        u16::from_be_bytes([ECHO_REPLY, 0]),
    );
    icmp.kind = ECHO_REPLY;
    icmp.checksum = change.apply(icmp.checksum.get()).into();
    Some(())
}
