//! Packets that are no whole segment of a flow: fragments, and ICMP errors about flows.

use crate::clock::Ticks;
use crate::flow::tcp::Return;
use crate::frame::Frame;
use crate::inspect::{Step, Steps};
use crate::network::InterfaceIndex;
use crate::pipeline::Pipeline;
use crate::pipeline::errors::translate_error;
use crate::pipeline::fragments::{datagram_key, key, transport};
use crate::pipeline::refuse::Refused;
use crate::pipeline::side::Side;
use crate::verdict::{DropReason, Verdict};
use crate::wire::packet::{Content, Packet};

impl<F: Frame> Pipeline<F> {
    pub(super) fn explain_fragment<A: Side>(
        &mut self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Verdict, DropReason> {
        let Content::Fragment(fragment) = packet.content else {
            return Err(DropReason::Protocol);
        };
        let gatherer = self.gatherer(packet, fragment);
        steps.push(Step::Fragment(gatherer));
        let noted = if arrived.is_none() { frame.note() } else { 0 };
        let ports = if noted != 0 {
            ((noted >> 16) as u16, noted as u16)
        } else {
            if gatherer != self.worker {
                frame.set_note(0);
                return Ok(Verdict::Handoff(gatherer));
            }
            let datagrams = A::fragments(&mut self.datagrams);
            let known = datagrams.lookup(&datagram_key(packet, fragment), now);
            let first = fragment
                .first
                .map(|first| (first.source_port, first.destination_port));
            match (first, known) {
                (Some(first), Some(known)) if first != known => {
                    return Err(DropReason::FragmentConflict);
                }
                (None, None) => return Ok(Verdict::HoldFragment),
                (first, known) => first.or(known).unwrap_or_default(),
            }
        };
        let note = u32::from(ports.0) << 16 | u32::from(ports.1);
        match self.flow_owner_elsewhere(&key(packet, fragment, ports)) {
            Some(owner) if note != 0 && noted == 0 => {
                frame.set_note(note);
                Ok(Verdict::Handoff(owner))
            }
            _ => {
                let transport = transport(arrived, packet, fragment, ports);
                let probe = A::memory(&self.memories).flows.probe(transport.key);
                Ok(self.explain_flow(frame, &transport, &probe, now, steps))
            }
        }
    }

    pub(super) fn explain_error<A: Side>(
        &mut self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Verdict, DropReason> {
        steps.push(Step::IcmpError);
        if packet.layout.hops <= 1 {
            return Err(DropReason::TtlExpired);
        }
        if self.quoted_tunnel(frame, packet).is_some() {
            return Ok(self.pass_around(frame, arrived).unwrap_or(Verdict::Absorb));
        }
        let Some((quoted, index, direction, entropy)) = self.quoted_flow(frame, packet) else {
            steps.push(Step::NoFlow);
            let unrelated = || self.unrelated(arrived, packet);
            return self.pass_around(frame, arrived).map_or_else(unrelated, Ok);
        };
        let flow = *A::memory(&self.memories).flows.get(index);
        steps.push(Step::Flow(self.passage(&flow, direction, now)));
        let path = self.known_path(flow, direction);
        let outbound = match flow.returns() {
            Return::ThroughUs => translate_error(frame, packet, &quoted, &flow, direction)?,
            Return::Direct => {
                let backend = path.backend.ok_or(DropReason::BackendGone)?;
                let interface = path.route.interface;
                self.make_ready::<A>(frame, packet.layout, entropy, &backend, interface)
                    .map_err(Refused::reason)?
            }
        };
        self.foresee_leave(frame, outbound, path.route, path.role, now, steps)
    }
}
