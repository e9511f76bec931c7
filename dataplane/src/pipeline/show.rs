//! Flows and packets of flows as operators see them. Reads, and changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::side::Side;
use super::{Admitted, Pipeline, Task, timeouts_of};
use crate::clock::{TickSpan, Ticks};
use crate::flow::{Direction, Flow, Return};
use crate::frame::Frame;
use crate::inspect::{FlowEntry, FlowPage, Passage, PlaceOfFlow};
use crate::table::{BackendSlot, Mode, Service};

impl<F: Frame> Pipeline<F> {
    /// Goes on with a page: looks at the next `budget` places of one flow table at most.
    pub fn fill_page(&self, page: &mut FlowPage, budget: usize, now: Ticks) {
        page.next = match page.next {
            PlaceOfFlow::Ipv4(place) => self
                .fill_from::<Ipv4Addr>(page, place, budget, now)
                .map_or(PlaceOfFlow::Ipv6(0), PlaceOfFlow::Ipv4),
            PlaceOfFlow::Ipv6(place) => self
                .fill_from::<Ipv6Addr>(page, place, budget, now)
                .map_or(PlaceOfFlow::End, PlaceOfFlow::Ipv6),
            PlaceOfFlow::End => PlaceOfFlow::End,
        };
    }

    /// Never looks at more places than the page has room for flows, so that none is passed over.
    fn fill_from<A: Side>(
        &self,
        page: &mut FlowPage,
        mut place: usize,
        budget: usize,
        now: Ticks,
    ) -> Option<usize> {
        let flows = &A::memory(&self.memories).flows;
        let budget = budget.min(page.room());
        for (_, flow) in flows.scan(&mut place, budget) {
            let entry = self.show_flow(flow, now);
            if page.filter.accepts(&entry) {
                page.flows.push(entry);
            }
        }
        (place < flows.capacity()).then_some(place)
    }

    /// The flow of a packet that has been decided, as it is now.
    pub(crate) fn passage_of(&self, packet: &Admitted, now: Ticks) -> Option<Passage> {
        match packet {
            Admitted::Ipv4(Task::Flow(_, probe)) => self.find_passage(probe, now),
            Admitted::Ipv6(Task::Flow(_, probe)) => self.find_passage(probe, now),
            _ => None,
        }
    }

    fn find_passage<A: Side>(&self, probe: &crate::flow::Probe<A>, now: Ticks) -> Option<Passage> {
        let flows = &A::memory(&self.memories).flows;
        let (index, direction) = flows.find(probe)?;
        Some(self.passage(flows.get(index), direction, now))
    }

    pub(super) fn passage<A: Side>(
        &self,
        flow: &Flow<A>,
        direction: Direction,
        now: Ticks,
    ) -> Passage {
        Passage {
            flow: self.show_flow(flow, now),
            direction,
        }
    }

    fn show_flow<A: Side>(&self, flow: &Flow<A>, now: Ticks) -> FlowEntry {
        let table = self.tables.current();
        let vip = SocketAddr::new(flow.vip.into(), flow.vip_port);
        let occupant = table.occupant(flow.backend_slot, flow.backend_epoch);
        let through_us = flow.returns() == Return::ThroughUs;
        let source = SocketAddr::new(flow.snat.into(), flow.snat_port);
        let idle = now.since(flow.last_seen);
        let allowed = flow.timeout(timeouts_of(table, flow));
        FlowEntry {
            protocol: flow.protocol,
            client: SocketAddr::new(flow.client.into(), flow.client_port),
            vip,
            source: through_us.then_some(source),
            backend: if through_us {
                Some(SocketAddr::new(flow.backend.into(), flow.backend_port))
            } else {
                let service = table.service(flow.service);
                occupant.map(|o| listener(service, flow.backend_slot, o.address))
            },
            mode: occupant
                .map(|occupant| occupant.mode)
                .or(mode_by(through_us, flow)),
            state: flow.state(),
            idle,
            left: TickSpan(allowed.0.saturating_sub(idle.0)),
        }
    }
}

/// The mode of a flow whose backend is gone, where its addresses tell.
fn mode_by<A: Side>(through_us: bool, flow: &Flow<A>) -> Option<Mode> {
    let keeps_client = flow.snat == flow.client;
    match (through_us, keeps_client) {
        (true, true) => Some(Mode::Gateway),
        (true, false) => Some(Mode::Nat),
        (false, _) => None,
    }
}

/// Where the backend of a direct flow listens.
fn listener(service: Option<&Service>, slot: BackendSlot, address: IpAddr) -> SocketAddr {
    let mut backends = service.into_iter().flat_map(Service::backends);
    let backend = backends.find(|backend| backend.slot == slot);
    backend.map_or(SocketAddr::new(address, 0), |backend| backend.address)
}
