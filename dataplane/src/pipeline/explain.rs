//! What would become of a packet, without anything becoming of it: the decisions of the packet path
//! on a frame of its own, with what they would change left as it is.
//!
//! Every decision here is the one that packets meet; only their order is told again. A test holds
//! the two together: whatever is explained is what then happens, byte for byte.

mod made;
mod rare;
mod sent;

use std::net::SocketAddr;

use super::forward::Way;
use super::refuse::Refused;
use super::side::Side;
use super::{Admitted, Origin, Pipeline, Task, Transport};
use crate::clock::Ticks;
use crate::flow::key::Endpoint;
use crate::flow::{Direction, Flow, Probe};
use crate::frame::Frame;
use crate::inspect::{Step, Steps};
use crate::neighbor::Role;
use crate::network::Route;
use crate::table::Occupant;
use crate::verdict::Verdict;

/// A flow that is, or would be, and where its packets go next.
struct Path<A> {
    flow: Flow<A>,
    direction: Direction,
    backend: Option<Occupant>,
    route: Route,
    role: Role,
}

impl<F: Frame> Pipeline<F> {
    /// Takes `frame` the way that a packet from there would take, and tells the steps. The frame
    /// becomes what would leave; nothing else is changed.
    pub fn explain(&mut self, origin: Origin, frame: &mut F, now: Ticks) -> Steps {
        let mut steps = Steps::new();
        let (learned, answers) = (self.learned.len(), self.answers);
        let verdict = match self.admit(origin, frame) {
            Admitted::Decided(verdict) => verdict,
            Admitted::Arp(interface, packet) => {
                steps.push(Step::NeighborMessage);
                let answered = self.answer_arp(frame, interface, packet);
                answered.unwrap_or_else(Verdict::Drop)
            }
            Admitted::Ipv4(task) => self.explain_task(frame, task, now, &mut steps),
            Admitted::Ipv6(task) => self.explain_task(frame, task, now, &mut steps),
        };
        self.learned.truncate(learned);
        self.answers = answers;
        steps.push(Step::Verdict(verdict));
        steps
    }

    fn explain_task<A: Side>(
        &mut self,
        frame: &mut F,
        task: Task<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Verdict {
        let explained = match task {
            Task::Decided(verdict) => Ok(verdict),
            Task::Flow(packet, probe) => Ok(self.explain_flow(frame, &packet, &probe, now, steps)),
            Task::Fragment(arrived, packet) => {
                self.explain_fragment(frame, arrived, &packet, now, steps)
            }
            Task::Echo(interface, layout) => {
                steps.push(Step::Echo);
                self.answer_echo::<A>(frame, interface, layout)
            }
            Task::Error(arrived, packet) => self.explain_error(frame, arrived, &packet, now, steps),
            Task::Discovery(interface, packet) => {
                steps.push(Step::NeighborMessage);
                self.discover(frame, interface, &packet)
            }
        };
        explained.unwrap_or_else(Verdict::Drop)
    }

    fn explain_flow<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        probe: &Probe<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Verdict {
        let key = packet.key;
        steps.push(Step::Transport {
            protocol: key.protocol,
            source: (key.source.into(), key.source_port).into(),
            destination: (key.destination.into(), key.destination_port).into(),
        });
        let sent = self
            .path_of(packet, probe, now, steps)
            .and_then(|path| self.explain_send(frame, packet, probe, &path, now, steps));
        match sent {
            Ok(verdict) => verdict,
            Err(refused) => self.refuse(frame, packet, refused, now),
        }
    }

    /// The flow that the packet goes with.
    fn path_of<A: Side>(
        &mut self,
        packet: &Transport<A>,
        probe: &Probe<A>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Path<A>, Refused> {
        match self.way_of(packet, probe)? {
            Way::Known(index, direction) => {
                let flow = *A::memory(&self.memories).flows.get(index);
                steps.push(Step::Flow(self.passage(&flow, direction, now)));
                Ok(self.known_path(flow, direction))
            }
            Way::New => {
                steps.push(Step::NoFlow);
                self.new_path(packet, None, now, steps)
            }
            Way::Anew(index) => {
                let flow = *A::memory(&self.memories).flows.get(index);
                steps.push(Step::Restart(self.passage(&flow, Direction::Forward, now)));
                self.new_path(packet, Some(&flow), now, steps)
            }
            Way::Reset(index) => {
                let flow = *A::memory(&self.memories).flows.get(index);
                steps.push(Step::Flow(self.passage(&flow, Direction::Forward, now)));
                Err(self.backend_gone(packet))
            }
        }
    }

    fn known_path<A: Side>(&self, flow: Flow<A>, direction: Direction) -> Path<A> {
        let table = self.tables.current();
        Path {
            flow,
            direction,
            backend: table
                .occupant(flow.backend_slot, flow.backend_epoch)
                .copied(),
            route: self.neighbors.route(flow.neighbor(direction)),
            role: match direction {
                Direction::Forward => Role::Infrastructure,
                Direction::Reverse => Role::Client,
            },
        }
    }
}

fn socket<A: Side>((address, port): Endpoint<A>) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}
