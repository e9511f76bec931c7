//! What would become of a packet, without anything becoming of it: the decisions of the packet path
//! on a frame of its own, with what they would change left as it is.
//!
//! Every decision here is the one that packets meet; only their order is told again. A test holds
//! the two together: whatever is explained is what then happens, byte for byte.

use std::net::SocketAddr;

use super::create::{Choice, arriving, starts};
use super::errors::translate_error;
use super::forward::Way;
use super::fragments::{datagram_key, key, transport};
use super::leave::{Outbound, put_ethernet};
use super::refuse::Refused;
use super::rewrite::rewrite;
use super::side::Side;
use super::{Admitted, Origin, Pipeline, Task, Transport, timeouts_of};
use crate::clock::Ticks;
use crate::flow::key::Endpoint;
use crate::flow::table::Room;
use crate::flow::tcp::Return;
use crate::flow::{Direction, Flow, Probe};
use crate::frame::Frame;
use crate::inspect::{Step, Steps};
use crate::neighbor::{Foreseen, Role};
use crate::network::{InterfaceIndex, Route};
use crate::table::{Mode, Occupant};
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::packet::{Content, Packet};

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

    /// The path of a flow that is yet to be made, once the flow that is `ending` has gone. That one
    /// keeps its source port until then, which the new one might have got.
    fn new_path<A: Side>(
        &mut self,
        packet: &Transport<A>,
        ending: Option<&Flow<A>>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Path<A>, Refused> {
        let key = packet.key;
        let vip = SocketAddr::new(key.destination.into(), key.destination_port);
        if let Some(service) = self.tables.current().lookup(vip, key.protocol) {
            steps.push(Step::Service {
                vip,
                protocol: key.protocol,
                mode: service.policy().mode,
                slot: service.slot(),
            });
        }
        let choice = self.choose(packet)?;
        self.push_backend(packet, &choice, steps);
        let route = self.foresee_hop(choice.backend.address.ip(), Role::Infrastructure, now)?;
        let flow = self.foresee_flow(packet, &choice, now, steps)?;
        self.foresee_room(packet, &flow, ending, now, steps)?;
        let backend = Occupant {
            epoch: choice.backend.epoch,
            draining: false,
            mode: choice.mode,
            address: choice.backend.address.ip(),
        };
        Ok(Path {
            flow,
            direction: Direction::Forward,
            backend: Some(backend),
            route,
            role: Role::Infrastructure,
        })
    }

    fn push_backend<A: Side>(&self, packet: &Transport<A>, choice: &Choice, steps: &mut Steps) {
        let client = SocketAddr::new(packet.key.source.into(), packet.key.source_port);
        let service = self.tables.current().service(choice.service);
        steps.push(Step::Backend {
            address: choice.backend.address,
            slot: choice.backend.slot,
            maglev: service
                .and_then(|service| service.place_of(client))
                .unwrap_or_default(),
        });
    }

    /// The route to a neighbor that a new flow needs.
    fn foresee_hop(
        &self,
        destination: std::net::IpAddr,
        role: Role,
        now: Ticks,
    ) -> Result<Route, DropReason> {
        let route = self
            .network
            .route_to(destination)
            .ok_or(DropReason::NoRoute)?;
        match self.neighbors.foresee(route, role, now) {
            (Foreseen::NoRoom, _) => Err(DropReason::NeighborTable),
            _ => Ok(route),
        }
    }

    /// The flow that would be made.
    fn foresee_flow<A: Side>(
        &mut self,
        packet: &Transport<A>,
        choice: &Choice,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<Flow<A>, Refused> {
        let flow = if choice.mode.returns_through_us() {
            self.foresee_hop(packet.key.source.into(), Role::Client, now)?;
            let turns = self.source_turns::<A>();
            let flow = self.translate(packet, choice, now);
            self.restore_source_turns::<A>(turns);
            let flow = flow?;
            steps.push(Step::Source(socket((flow.snat, flow.snat_port))));
            flow
        } else {
            Flow::direct(packet.key.protocol, arriving(packet), now)
        };
        Ok(Flow {
            service: choice.service,
            backend_slot: choice.backend.slot,
            backend_epoch: choice.backend.epoch,
            ..flow
        })
    }

    /// Whether the service and the flow table have room for the flow.
    fn foresee_room<A: Side>(
        &mut self,
        packet: &Transport<A>,
        flow: &Flow<A>,
        ending: Option<&Flow<A>>,
        now: Ticks,
        steps: &mut Steps,
    ) -> Result<(), Refused> {
        let table = self.tables.current();
        if let Some(service) = table.service(flow.service) {
            let ended = ending.is_some_and(|ending| ending.service == flow.service);
            self.limits
                .would_admit(service, ended, self.network.workers, now)?;
        }
        let opening = if starts(packet) {
            flow.state()
        } else {
            flow.picked_up().state()
        };
        let timeout = |flow: &Flow<A>| flow.timeout(timeouts_of(table, flow));
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        let room = flows.would_make_room(opening, ending.map(Flow::state), now, timeout);
        if room != Room::Enough {
            steps.push(Step::Room(room));
        }
        match room {
            Room::None => Err(DropReason::FlowTableFull.into()),
            Room::Enough | Room::After(_) => Ok(()),
        }
    }

    fn explain_send<A: Side>(
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

    fn push_tunnel(&self, backend: &Occupant, interface: InterfaceIndex, steps: &mut Steps) {
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
    fn foresee_leave(
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

    fn explain_fragment<A: Side>(
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

    fn explain_error<A: Side>(
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

fn socket<A: Side>((address, port): Endpoint<A>) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}
