//! The modes whose replies do not come back: the packet reaches the backend as the client sent it,
//! in a frame of its own (`dsr`) or in another IP packet (`ipip`, `gue`).

use super::Pipeline;
use super::leave::Outbound;
use super::refuse::Refused;
use super::side::Side;
use crate::flow::FlowIndex;
use crate::frame::Frame;
use crate::neighbor::NeighborRef;
use crate::network::InterfaceIndex;
use crate::table::Occupant;
use crate::verdict::DropReason;
use crate::wire::packet::Layout;

impl<F: Frame> Pipeline<F> {
    /// Makes a packet ready for the backend of a direct flow. `entropy` is the same for all packets
    /// of the flow.
    pub(super) fn deliver<A: Side>(
        &mut self,
        frame: &mut F,
        layout: Layout,
        entropy: u64,
        index: FlowIndex,
    ) -> Result<(Outbound, NeighborRef), Refused> {
        let flow = A::memory(&self.memories).flows.get(index);
        let neighbor = flow.neighbor_to_backend;
        let (slot, epoch) = (flow.backend_slot, flow.backend_epoch);
        let backend = self.tables.current().occupant(slot, epoch);
        let backend = *backend.ok_or(DropReason::BackendGone)?;
        let interface = self.neighbors.interface(neighbor);
        let outbound = self.make_ready::<A>(frame, layout, entropy, &backend, interface)?;
        if backend.mode.is_tunnel() {
            self.identification = self.next_identification();
        }
        Ok((outbound, neighbor))
    }

    /// Makes the packet in `frame` ready for a backend behind this interface. Changes nothing else.
    pub(super) fn make_ready<A: Side>(
        &self,
        frame: &mut F,
        layout: Layout,
        entropy: u64,
        backend: &Occupant,
        interface: InterfaceIndex,
    ) -> Result<Outbound, Refused> {
        let interface = self.network.interface(interface);
        if backend.mode.is_tunnel() {
            return self.encapsulate::<A>(frame, layout, entropy, backend, interface);
        }
        Self::check_size(layout.packet_len(), interface.mtu)?;
        A::take_hop(frame.bytes_mut(), usize::from(layout.ip)).ok_or(DropReason::Truncated)?;
        Ok(Outbound::in_place::<A>(layout))
    }
}
