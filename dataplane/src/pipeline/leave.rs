//! The last step of a packet that goes on: its size, its Ethernet header, its next hop.

use super::Pipeline;
use super::refuse::Refused;
use super::side::Side;
use crate::clock::Ticks;
use crate::frame::Frame;
use crate::neighbor::{Lookup, NeighborRef};
use crate::network::Interface;
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::ethernet;
use crate::wire::packet::Layout;

/// An IP packet that is ready to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound {
    /// Start of its IP header in the frame.
    pub(super) ip: usize,
    /// Its end in the frame.
    pub(super) end: usize,
    /// Its family's number in an Ethernet header.
    pub(super) ethertype: u16,
}

impl Outbound {
    /// A packet that lies where it lay when it came.
    pub(super) fn in_place<A: Side>(layout: Layout) -> Self {
        Self {
            ip: usize::from(layout.ip),
            end: usize::from(layout.end),
            ethertype: A::ETHERTYPE,
        }
    }
}

impl<F: Frame> Pipeline<F> {
    /// The largest IP packet that fits the interface of this neighbor, in bytes.
    #[inline]
    pub(super) fn mtu(&self, neighbor: NeighborRef) -> u16 {
        self.network
            .interface(self.neighbors.interface(neighbor))
            .mtu
    }

    /// Refuses a packet of `len` bytes if it does not fit into `mtu`.
    #[inline]
    pub(super) fn check_size(len: u16, mtu: u16) -> Result<(), Refused> {
        if len <= mtu {
            Ok(())
        } else {
            Err(Refused::too_big(mtu))
        }
    }

    /// Puts the Ethernet header on and sends the packet to its next hop, or lets it wait.
    #[inline]
    pub(super) fn leave(
        &mut self,
        frame: &mut F,
        packet: Outbound,
        neighbor: NeighborRef,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        let index = self.neighbors.interface(neighbor);
        let interface = self.network.interface(index);
        match self.neighbors.lookup(neighbor, now) {
            Lookup::Known(mac) => {
                put_ethernet(frame, packet, interface, mac)?;
                Ok(Verdict::Forward(index))
            }
            Lookup::Unresolved => {
                put_ethernet(frame, packet, interface, MacAddr::ZERO)?;
                self.held_for = neighbor;
                Ok(Verdict::Hold)
            }
        }
    }
}

/// Gives an IP packet the Ethernet header with which it leaves by `interface`, and cuts padding.
#[inline]
pub(super) fn put_ethernet<F: Frame>(
    frame: &mut F,
    packet: Outbound,
    interface: &Interface,
    destination: MacAddr,
) -> Result<(), DropReason> {
    frame.truncate(packet.end);
    let (has, needs) = (packet.ip, ethernet::header_len(interface.vlan));
    if needs < has {
        frame.trim_front(has - needs);
    } else if needs > has && !frame.prepend(needs - has) {
        return Err(DropReason::Headroom);
    }
    let (mac, vlan) = (interface.mac, interface.vlan);
    let written = ethernet::write(frame.bytes_mut(), destination, mac, vlan, packet.ethertype);
    if written {
        Ok(())
    } else {
        Err(DropReason::Truncated)
    }
}
