//! The flow that a packet would make.

use std::net::{IpAddr, SocketAddr};

use super::{Path, socket};
use crate::clock::Ticks;
use crate::flow::table::Room;
use crate::flow::{Direction, Flow};
use crate::frame::Frame;
use crate::inspect::{Step, Steps};
use crate::neighbor::{Foreseen, Role};
use crate::network::Route;
use crate::pipeline::create::{Choice, arriving, starts};
use crate::pipeline::refuse::Refused;
use crate::pipeline::side::Side;
use crate::pipeline::{Pipeline, Transport, timeouts_of};
use crate::table::Occupant;
use crate::verdict::DropReason;

impl<F: Frame> Pipeline<F> {
    /// The path of a flow that is yet to be made, once the flow that is `ending` has gone. That one
    /// keeps its source port until then, which the new one might have got.
    pub(super) fn new_path<A: Side>(
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
        let choice = self.choose(packet, now)?;
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

    pub(super) fn push_backend<A: Side>(
        &self,
        packet: &Transport<A>,
        choice: &Choice,
        steps: &mut Steps,
    ) {
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
    pub(super) fn foresee_hop(
        &self,
        destination: IpAddr,
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
    pub(super) fn foresee_flow<A: Side>(
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
    pub(super) fn foresee_room<A: Side>(
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
}
