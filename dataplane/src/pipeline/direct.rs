//! The modes whose replies do not come back: the packet reaches the backend as the client sent it,
//! in a frame of its own (`dsr`) or in another IP packet (`ipip`, `gue`).

use super::leave::Outbound;
use super::refuse::Refused;
use super::side::Side;
use super::{Pipeline, Transport};
use crate::flow::FlowIndex;
use crate::frame::Frame;
use crate::neighbor::NeighborRef;
use crate::table::{Mode, Occupant};
use crate::verdict::DropReason;

impl<F: Frame> Pipeline<F> {
    /// Makes the packet of a direct flow ready for its backend. `entropy` is the same for all
    /// packets of the flow.
    pub(super) fn deliver<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        entropy: u64,
        index: FlowIndex,
    ) -> Result<Outbound, Refused> {
        let flow = A::memory(&self.memories).flows.get(index);
        let neighbor = flow.neighbor_to_backend;
        let (slot, epoch) = (flow.backend_slot, flow.backend_epoch);
        let backend = self.tables.current().occupant(slot, epoch);
        let backend = *backend.ok_or(DropReason::BackendGone)?;
        if packet.flags.has_syn() {
            self.clamp::<A>(frame, packet, index);
        }
        self.hand_on(frame, packet, entropy, &backend, neighbor)
    }

    /// Sends a packet on to a backend as its mode says.
    pub(super) fn hand_on<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        entropy: u64,
        backend: &Occupant,
        neighbor: NeighborRef,
    ) -> Result<Outbound, Refused> {
        let layout = packet.layout;
        if backend.mode.is_tunnel() {
            return self.encapsulate(frame, packet, entropy, backend, neighbor);
        }
        debug_assert_eq!(backend.mode, Mode::Dsr);
        Self::check_size(layout.packet_len(), self.mtu(neighbor))?;
        A::take_hop(frame.bytes_mut(), usize::from(layout.ip)).ok_or(DropReason::Truncated)?;
        Ok(Outbound {
            ip: usize::from(layout.ip),
            end: usize::from(layout.end),
            ethertype: A::ETHERTYPE,
            neighbor,
        })
    }
}
