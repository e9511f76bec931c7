//! TCP and UDP: finds a packet's flow, or makes one, and sends the packet on its way.

use super::leave::Outbound;
use super::refuse::{Answer, Refused};
use super::rewrite::rewrite;
use super::side::Side;
use super::sweep::Aftermath;
use super::{Pipeline, Transport, timeouts_of};
use crate::Protocol;
use crate::clock::Ticks;
use crate::flow::tcp::{Return, Transition};
use crate::flow::{Direction, FlowIndex, Probe};
use crate::frame::Frame;
use crate::table::Removal;
use crate::verdict::{DropReason, Verdict};

/// Which flow a packet goes with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// With this one.
    Known(FlowIndex, Direction),
    /// With one that is yet to be made.
    New,
    /// With one that is yet to be made, in place of this one.
    Anew(FlowIndex),
    /// With none: its backend is gone, and this one ends.
    Reset(FlowIndex),
}

/// What becomes of a packet whose flow is known.
enum Continue {
    /// It belongs to that flow.
    With,
    /// It starts anew and may choose again: the backend is gone, or drains and would get a new
    /// connection after the old one has closed.
    Anew,
    /// Its backend is gone, and its service resets such connections.
    Reset,
}

impl<F: Frame> Pipeline<F> {
    #[inline]
    pub(super) fn balance<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        probe: &Probe<A>,
        now: Ticks,
    ) -> Verdict {
        let sent = self.flow_of(packet, probe, now).and_then(|found| {
            let (flow, direction) = found;
            self.send(frame, packet, probe, flow, direction, now)
        });
        match sent {
            Ok(verdict) => verdict,
            Err(refused) => self.refuse(frame, packet, refused, now),
        }
    }

    #[inline]
    fn flow_of<A: Side>(
        &mut self,
        packet: &Transport<A>,
        probe: &Probe<A>,
        now: Ticks,
    ) -> Result<(FlowIndex, Direction), Refused> {
        match self.way_of(packet, probe)? {
            Way::Known(flow, direction) => Ok((flow, direction)),
            Way::New => Ok((self.create(packet, now)?, Direction::Forward)),
            Way::Anew(flow) => {
                self.end::<A>(flow);
                Ok((self.create(packet, now)?, Direction::Forward))
            }
            Way::Reset(flow) => {
                self.end::<A>(flow);
                Err(self.backend_gone(packet))
            }
        }
    }

    /// Which flow a packet goes with. Changes nothing.
    #[inline]
    pub(super) fn way_of<A: Side>(
        &self,
        packet: &Transport<A>,
        probe: &Probe<A>,
    ) -> Result<Way, Refused> {
        if packet.layout.hops <= 1 {
            return Err(Refused::Answered(
                DropReason::TtlExpired,
                Answer::TimeExceeded,
            ));
        }
        let Some((flow, direction)) = A::memory(&self.memories).flows.find(probe) else {
            return Ok(Way::New);
        };
        Ok(match self.continues(flow, direction, packet) {
            Continue::With => Way::Known(flow, direction),
            Continue::Anew => Way::Anew(flow),
            Continue::Reset => Way::Reset(flow),
        })
    }

    /// Why a packet is refused whose backend is gone.
    pub(super) fn backend_gone<A: Side>(&self, packet: &Transport<A>) -> Refused {
        let refusal = self.refusal_of(packet.key);
        Refused::Answered(DropReason::BackendGone, Answer::ByPolicy(refusal))
    }

    #[inline]
    fn continues<A: Side>(
        &self,
        index: FlowIndex,
        direction: Direction,
        packet: &Transport<A>,
    ) -> Continue {
        let starts = packet.key.protocol == Protocol::Udp || packet.flags.opens();
        let flow = A::memory(&self.memories).flows.get(index);
        let replies_pass = flow.returns() == Return::ThroughUs;
        if direction == Direction::Reverse || (!starts && replies_pass) {
            return Continue::With;
        }
        let table = self.tables.current();
        let (slot, epoch) = (flow.backend_slot, flow.backend_epoch);
        match table.occupant(slot, epoch) {
            Some(backend) if starts && flow.may_reopen() && backend.draining => Continue::Anew,
            Some(_) => Continue::With,
            None if starts => Continue::Anew,
            // Only direct flows come so far: without the backend there is nowhere to send to.
            None => match table.removal_of(flow.service) {
                Removal::Keep => Continue::Anew,
                Removal::Reset => Continue::Reset,
            },
        }
    }

    /// Rewrites a packet of a flow and follows it.
    fn send<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        probe: &Probe<A>,
        index: FlowIndex,
        direction: Direction,
        now: Ticks,
    ) -> Result<Verdict, Refused> {
        if packet.flags.opens() && direction == Direction::Forward {
            self.reopen::<A>(index, now);
        }
        let flow = A::memory(&self.memories).flows.get(index);
        let (outbound, neighbor) = match flow.returns() {
            Return::ThroughUs => {
                let neighbor = flow.neighbor(direction);
                let (leaving, changes) = (flow.leaving(direction), flow.changes(direction));
                Self::check_size(packet.layout.packet_len(), self.mtu(neighbor))?;
                if packet.flags.has_syn() {
                    let service = flow.service;
                    self.clamp::<A>(frame, packet, service);
                }
                rewrite(frame.bytes_mut(), packet, leaving, changes)
                    .ok_or(DropReason::Truncated)?;
                (Outbound::in_place::<A>(packet.layout), neighbor)
            }
            Return::Direct => {
                if packet.flags.has_syn() {
                    let service = flow.service;
                    self.clamp::<A>(frame, packet, service);
                }
                self.deliver::<A>(frame, packet.layout, probe.hash(), index)?
            }
        };
        self.count::<A>(index, direction, packet);
        self.follow(index, direction, packet, now);
        Ok(self.leave(frame, outbound, neighbor, now)?)
    }

    /// A SYN on the ports of a closed connection starts a new one with the same backend, which
    /// knows the ports and judges the sequence number as if it had come directly.
    fn reopen<A: Side>(&mut self, index: FlowIndex, now: Ticks) {
        let table = self.tables.current();
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        if flows.get(index).may_reopen() {
            flows.reopen(index, now, |flow| flow.timeout(timeouts_of(table, flow)));
        }
    }

    #[inline]
    fn count<A: Side>(&self, index: FlowIndex, direction: Direction, packet: &Transport<A>) {
        if direction == Direction::Reverse {
            return;
        }
        let flow = A::memory(&self.memories).flows.get(index);
        if let Some(backend) = self.counters.backend(flow.backend_slot) {
            backend.packets.add(1);
            backend.bytes.add(u64::from(packet.layout.packet_len()));
        }
    }

    #[inline]
    fn follow<A: Side>(
        &mut self,
        index: FlowIndex,
        direction: Direction,
        packet: &Transport<A>,
        now: Ticks,
    ) {
        let table = self.tables.current();
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        let timeout = |flow: &_| crate::flow::Flow::timeout(flow, timeouts_of(table, flow));
        let transition = flows.follow(index, direction, packet.facts(), now, timeout);
        if transition == Transition::Refused {
            self.end::<A>(index);
        }
    }

    pub(super) fn end<A: Side>(&mut self, index: FlowIndex) {
        let flow = A::memory_mut(&mut self.memories).flows.remove(index);
        let mut aftermath = Aftermath {
            counters: &self.counters,
            neighbors: &mut self.neighbors,
            limits: &mut self.limits,
            resets: &mut self.resets,
            now: flow.last_seen,
        };
        aftermath.account(&flow);
    }
}
