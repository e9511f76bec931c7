//! ICMP echo: answers `ping` of Viaduct's own addresses and of VIPs (RFC 792; RFC 1122, 3.2.2.6;
//! RFC 4443, 4.2).

use super::Pipeline;
use super::side::Side;
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::checksum::Delta;
use crate::wire::ethernet::EthernetHeader;
use crate::wire::icmp::IcmpHeader;
use crate::wire::packet::Layout;
use zerocopy::FromBytes;

impl<F: Frame> Pipeline<F> {
    /// Turns the request into its reply. It goes back to the station that it came from, which need
    /// not be the route to the client: a reply needs no neighbor.
    pub(super) fn answer_echo<A: Side>(
        &mut self,
        frame: &mut F,
        interface: InterfaceIndex,
        layout: Layout,
    ) -> Result<Verdict, DropReason> {
        let mac = self.network.interface(interface).mac;
        let bytes = frame.bytes_mut();
        let (ethernet, _) =
            EthernetHeader::mut_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        ethernet.destination = ethernet.source;
        ethernet.source = mac;
        A::turn_around(bytes, layout).ok_or(DropReason::Truncated)?;
        reply_icmp::<A>(bytes, layout).ok_or(DropReason::Truncated)?;
        Ok(Verdict::Reply(interface))
    }
}

fn reply_icmp<A: Side>(bytes: &mut [u8], layout: Layout) -> Option<()> {
    let [request, reply] = A::ECHO;
    let message = bytes.get_mut(usize::from(layout.transport)..usize::from(layout.end))?;
    let (icmp, data) = IcmpHeader::mut_from_prefix(message).ok()?;
    let word = |kind| u16::from_be_bytes([kind, 0]);
    let change = Delta::of_word(word(request), word(reply));
    icmp.kind = reply;
    icmp.checksum = change.apply(icmp.checksum.get()).into();
    // Of nothing but zeros the sum is zero, which a difference cannot tell from all ones. Only ICMP
    // over IPv4 can have that: a reply's type is zero, and there is no pseudo header.
    let is_nothing = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    if reply == 0 && icmp.checksum == 0 && is_nothing(&icmp.rest) && is_nothing(data) {
        icmp.checksum = 0xffff.into();
    }
    Some(())
}
