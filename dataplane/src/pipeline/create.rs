//! Makes a flow: chooses the backend, the source port and the next hops.

use std::net::{IpAddr, SocketAddr};

use super::refuse::{Answer, Refused};
use super::side::Side;
use super::{Pipeline, Transport};
use crate::Protocol;
use crate::clock::{TickSpan, Ticks};
use crate::flow::key::Endpoint;
use crate::flow::snat::{SnatPorts, Turns};
use crate::flow::{Flow, FlowIndex, FlowKey};
use crate::frame::Frame;
use crate::neighbor::{NeighborRef, Role};
use crate::table::{Backend, Mode, Service, ServiceSlot};
use crate::verdict::DropReason;

/// How long after its last new flow a client comes back to the same backend, whatever has happened to
/// the others: 5 minutes, as long as IPVS keeps persistent clients.
const AFFINITY: TickSpan = TickSpan(3000);

/// What the forwarding table says about a new flow.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub(super) backend: Backend,
    pub(super) mode: Mode,
    pub(super) service: ServiceSlot,
    timeout: TickSpan,
    /// The service's clients come back to the same backend.
    remembers_client: bool,
}

impl<F: Frame> Pipeline<F> {
    /// Makes the flow that `packet` opens, or that it shows to have been there before.
    pub(super) fn create<A: Side>(
        &mut self,
        packet: &Transport<A>,
        now: Ticks,
    ) -> Result<FlowIndex, Refused> {
        let choice = self.choose(packet, now)?;
        let to_backend = self.next_hop(choice.backend.address.ip(), Role::Infrastructure)?;
        let made = self.connect(packet, &choice, to_backend, now);
        if made.is_err() {
            self.neighbors.unrefer(to_backend);
        } else if choice.remembers_client {
            self.remember_client(packet, &choice, now);
        }
        made
    }

    fn connect<A: Side>(
        &mut self,
        packet: &Transport<A>,
        choice: &Choice,
        to_backend: NeighborRef,
        now: Ticks,
    ) -> Result<FlowIndex, Refused> {
        if !choice.mode.returns_through_us() {
            let flow = Flow::direct(packet.key.protocol, arriving(packet), now);
            return self.insert(
                packet,
                choice,
                Flow {
                    neighbor_to_backend: to_backend,
                    ..flow
                },
                now,
            );
        }
        let to_client = self.next_hop(packet.key.source.into(), Role::Client)?;
        let made = self.translate(packet, choice, now).and_then(|flow| {
            let flow = Flow {
                neighbor_to_backend: to_backend,
                neighbor_to_client: to_client,
                ..flow
            };
            self.insert(packet, choice, flow, now)
        });
        if made.is_err() {
            self.neighbors.unrefer(to_client);
        }
        made
    }

    /// The flow of a mode that translates addresses.
    pub(super) fn translate<A: Side>(
        &mut self,
        packet: &Transport<A>,
        choice: &Choice,
        now: Ticks,
    ) -> Result<Flow<A>, Refused> {
        // Families are not mixed: such services have backends of the VIP's.
        let address = A::from_ip(choice.backend.address.ip()).ok_or(DropReason::NoBackend)?;
        let backend = (address, choice.backend.address.port());
        let client = (packet.key.source, packet.key.source_port);
        let keeps_client = choice.mode == Mode::Gateway
            && !self.is_hairpin(packet, address)
            && !self.is_taken(packet, backend);
        let source = if keeps_client {
            client
        } else {
            let port = self.port_towards(choice);
            let steering = port.and_then(|port| self.steering.get(port)?.as_ref());
            let memory = A::memory_mut(&mut self.memories);
            let ports = memory.snat.as_mut().ok_or(DropReason::SnatPorts)?;
            ports
                .choose(&memory.flows, backend, packet.key.protocol, steering)
                .ok_or(DropReason::SnatPorts)?
        };
        let leaving = [source, backend];
        Ok(Flow::through_us(
            packet.key.protocol,
            arriving(packet),
            leaving,
            now,
        ))
    }

    /// Whose turn it is among the source ports.
    pub(super) fn source_turns<A: Side>(&self) -> Option<Turns> {
        A::memory(&self.memories)
            .snat
            .as_ref()
            .map(SnatPorts::turns)
    }

    /// Undoes what choices since then have done to the order of source ports.
    pub(super) fn restore_source_turns<A: Side>(&mut self, turns: Option<Turns>) {
        let ports = A::memory_mut(&mut self.memories).snat.as_mut();
        if let (Some(ports), Some(turns)) = (ports, turns) {
            ports.restore(turns);
        }
    }

    /// True if the backend would answer the client past Viaduct, because they are on one segment:
    /// a backend that is a client of its own service, for one.
    fn is_hairpin<A: Side>(&self, packet: &Transport<A>, backend: A) -> bool {
        let client = packet.key.source;
        let attached = self.network.interfaces.iter().filter_map(A::attachment);
        let mut subnets = attached.map(|at| at.subnet);
        subnets.any(|subnet| subnet.contains(client) && subnet.contains(backend))
    }

    /// The port that leads to the backend, and by which it answers.
    fn port_towards(&self, choice: &Choice) -> Option<usize> {
        let route = self.network.route_to(choice.backend.address.ip())?;
        Some(self.network.interface(route.interface).port)
    }

    /// True if the client reaches this backend from the same port already, by another VIP: replies
    /// could not be told apart.
    fn is_taken<A: Side>(&self, packet: &Transport<A>, backend: Endpoint<A>) -> bool {
        A::memory(&self.memories).flows.has(FlowKey {
            source: backend.0,
            destination: packet.key.source,
            source_port: backend.1,
            destination_port: packet.key.source_port,
            protocol: packet.key.protocol,
        })
    }

    pub(super) fn choose<A: Side>(
        &self,
        packet: &Transport<A>,
        now: Ticks,
    ) -> Result<Choice, Refused> {
        let key = packet.key;
        let vip = SocketAddr::new(key.destination.into(), key.destination_port);
        let service = self
            .tables
            .current()
            .lookup(vip, key.protocol)
            .ok_or_else(|| self.no_service(key.destination))?;
        let policy = service.policy();
        let client = SocketAddr::new(key.source.into(), key.source_port);
        let sources = policy.sources.as_ref();
        if !sources.is_none_or(|sources| sources.permits(client.ip())) {
            return Err(DropReason::SourceDenied.into());
        }
        let answered = |reason| Refused::Answered(reason, Answer::ByPolicy(policy.refusal));
        // A translated connection that is not known cannot be known: its source port is lost.
        if policy.mode == Mode::Nat && !starts(packet) {
            return Err(answered(DropReason::NoFlow));
        }
        let known = match policy.source_affinity {
            true => {
                let clients = &A::memory(&self.memories).clients;
                clients.lookup(service.slot(), key.source, AFFINITY, now)
            }
            false => None,
        };
        let known = known.and_then(|(slot, epoch)| service.working(slot, epoch));
        let backend = known.or_else(|| service.pick(client));
        Ok(Choice {
            backend: *backend.ok_or_else(|| answered(DropReason::NoBackend))?,
            mode: policy.mode,
            service: service.slot(),
            timeout: first_timeout(service, key.protocol),
            remembers_client: policy.source_affinity,
        })
    }

    fn remember_client<A: Side>(&mut self, packet: &Transport<A>, choice: &Choice, now: Ticks) {
        let backend = (choice.backend.slot, choice.backend.epoch);
        let clients = &mut A::memory_mut(&mut self.memories).clients;
        clients.remember(choice.service, packet.key.source, backend, now);
    }

    fn no_service<A: Side>(&self, destination: A) -> Refused {
        let answer = Answer::ByPolicy(self.network.refusal);
        if self.network.is_snat(destination) {
            Refused::Answered(DropReason::NoFlow, answer)
        } else if self.is_local(destination) || self.network.is_in_pool(destination) {
            Refused::Answered(DropReason::NoService, answer)
        } else {
            DropReason::NotLocal.into()
        }
    }

    fn next_hop(&mut self, destination: IpAddr, role: Role) -> Result<NeighborRef, DropReason> {
        let route = self
            .network
            .route_to(destination)
            .ok_or(DropReason::NoRoute)?;
        self.neighbors
            .refer(route, role)
            .ok_or(DropReason::NeighborTable)
    }

    /// Adds the flow; makes room for it first, if there is none.
    fn insert<A: Side>(
        &mut self,
        packet: &Transport<A>,
        choice: &Choice,
        flow: Flow<A>,
        now: Ticks,
    ) -> Result<FlowIndex, Refused> {
        let Backend { slot, epoch, .. } = choice.backend;
        let flow = Flow {
            service: choice.service,
            backend_slot: slot,
            backend_epoch: epoch,
            ..flow
        };
        let flow = if starts(packet) {
            flow
        } else {
            flow.picked_up()
        };
        self.admit_flow(choice.service, now)?;
        self.make_room::<A>(&flow, now);
        let (vip, protocol) = (
            SocketAddr::new(flow.vip.into(), flow.vip_port),
            flow.protocol,
        );
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        let Some(index) = flows.insert(flow, choice.timeout) else {
            self.limits.ended(choice.service, vip, protocol);
            return Err(DropReason::FlowTableFull.into());
        };
        self.counters.flows_created.add(1);
        if let Some(backend) = self.counters.backend(slot) {
            backend.flows.add(1);
            backend.active.add(1);
        }
        Ok(index)
    }

    /// Counts a new flow of a service against its limits.
    fn admit_flow(&mut self, slot: ServiceSlot, now: Ticks) -> Result<(), DropReason> {
        let workers = self.network.workers;
        let service = self.tables.current().service(slot);
        service.map_or(Ok(()), |service| self.limits.admit(service, workers, now))
    }
}

/// The packet's ends as it arrives.
pub(super) fn arriving<A: Side>(packet: &Transport<A>) -> [Endpoint<A>; 2] {
    let key = packet.key;
    [
        (key.source, key.source_port),
        (key.destination, key.destination_port),
    ]
}

/// True for a packet that may be a conversation's first.
pub(super) fn starts<A>(packet: &Transport<A>) -> bool {
    packet.key.protocol == Protocol::Udp || packet.flags.opens()
}

fn first_timeout(service: &Service, protocol: Protocol) -> TickSpan {
    match protocol {
        Protocol::Tcp => service.timeouts().tcp_handshake,
        Protocol::Udp => service.timeouts().udp,
    }
}
