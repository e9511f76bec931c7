//! The last steps of a packet whose flow is known: its rewrite, its next hop.

use super::{Path, socket};
use crate::clock::Ticks;
use crate::flow::Probe;
use crate::flow::tcp::Return;
use crate::frame::Frame;
use crate::inspect::{Step, Steps};
use crate::neighbor::{Foreseen, Role};
use crate::network::{InterfaceIndex, Route};
use crate::pipeline::leave::{Outbound, put_ethernet};
use crate::pipeline::refuse::Refused;
use crate::pipeline::rewrite::rewrite;
use crate::pipeline::side::Side;
use crate::pipeline::{Pipeline, Transport};
use crate::table::{Mode, Occupant};
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;

impl<F: Frame> Pipeline<F> {
    pub(super) fn explain_send<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        probe: &Probe<A>,
        path: &Path<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Verdict, Refused> {
        let (flow, layout) = (&path.flow, packet.layout);
        let interface = path.route.interface;
        if flow.returns() == Return::ThroughUs {
            let mtu = self.network.interface(interface).mtu;
            Self::check_size(layout.packet_len(), mtu)?;
        }
        if packet.flags.has_syn() {
            self.clamp::<A>(frame, packet, flow.service);
        }
        let outbound = match flow.returns() {
            Return::ThroughUs => {
                let leaving = flow.leaving(path.direction);
                rewrite(
                    frame.bytes_mut(),
                    packet,
                    leaving,
                    flow.changes(path.direction),
                )
                .ok_or(DropReason::Truncated)?;
                let [source, destination] = leaving.map(socket);
                steps.push(Step::Rewritten {
                    source,
                    destination,
                });
                Outbound::in_place::<A>(layout)
            }
            Return::Direct => {
                let backend = path.backend.ok_or(DropReason::BackendGone)?;
                self.push_tunnel(&backend, interface, steps);
                self.make_ready::<A>(frame, layout, probe.hash(), &backend, interface)?
            }
        };
        Ok(self.foresee_leave(frame, outbound, path.route, path.role, now, steps)?)
    }

    pub(super) fn push_tunnel(
        &self,
        backend: &Occupant,
        interface: InterfaceIndex,
        steps: &mut Steps,
    ) {
        let interface = self.network.interface(interface);
        let source = interface.address_towards(backend.address);
        if let (Mode::Ipip | Mode::Gue, Some(source)) = (backend.mode, source) {
            steps.push(Step::Encapsulated {
                mode: backend.mode,
                source,
                destination: backend.address,
            });
        }
    }

    /// The last step, with the next hop as it is now.
    pub(super) fn foresee_leave(
        &self,
        frame: &mut F,
        outbound: Outbound,
        route: Route,
        role: Role,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Verdict, DropReason> {
        let (foreseen, known) = self.neighbors.foresee(route, role, now);
        steps.push(Step::Route(route));
        steps.push(Step::NextHop(foreseen, known));
        let interface = self.network.interface(route.interface);
        match foreseen {
            Foreseen::Sent(mac) => {
                put_ethernet(frame, outbound, interface, mac)?;
                Ok(Verdict::Forward(route.interface))
            }
            Foreseen::Waits => {
                put_ethernet(frame, outbound, interface, MacAddr::ZERO)?;
                Ok(Verdict::Hold)
            }
            Foreseen::Failed => Err(DropReason::NeighborFailed),
            Foreseen::NoRoom => Err(DropReason::NeighborTable),
        }
    }
}
