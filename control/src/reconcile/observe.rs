//! Puts plan, counters and sources together into the status that operators see.
//!
//! The data plane counts by slot, and a slot may have had other holders: what it had counted when
//! the present holder came is taken off. What backends had counted when they went is kept for their
//! service, so that a service's counters never go back.

use std::collections::HashMap;
use std::sync::Arc;

use dataplane::counters::WorkerCounters;
use dataplane::table::{Backend, BackendSlot, Epoch, Generation};

use crate::desired::{self, Problem};
use crate::plan::{Listener, Plan, PlannedService};
use crate::sources::SourceState;
use crate::status::{BackendStatus, ProblemStatus, ServiceStatus, SourceStatus, Status};

/// Counts of one backend, over all workers.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    flows: u64,
    active: u64,
    packets: u64,
    bytes: u64,
}

impl Counts {
    fn of(workers: &[Arc<WorkerCounters>], slot: BackendSlot) -> Self {
        let all = workers.iter().filter_map(|worker| worker.backend(slot));
        all.fold(Self::default(), |sum, counters| Self {
            flows: sum.flows + counters.flows.get(),
            active: sum.active.wrapping_add(counters.active.get()),
            packets: sum.packets + counters.packets.get(),
            bytes: sum.bytes + counters.bytes.get(),
        })
    }

    fn since(self, base: Self) -> Self {
        Self {
            flows: self.flows.saturating_sub(base.flows),
            active: self.active,
            packets: self.packets.saturating_sub(base.packets),
            bytes: self.bytes.saturating_sub(base.bytes),
        }
    }
}

/// Reads counters on behalf of the present plan.
#[derive(Debug)]
pub(super) struct Observer {
    workers: Vec<Arc<WorkerCounters>>,
    zone: String,
    /// What a slot had counted when its present holder came.
    bases: HashMap<BackendSlot, (Epoch, Counts)>,
    /// Flows of backends that have gone, by service.
    retired: HashMap<Listener, u64>,
}

impl Observer {
    pub(super) fn new(workers: Vec<Arc<WorkerCounters>>, zone: String) -> Self {
        Self {
            workers,
            zone,
            bases: HashMap::new(),
            retired: HashMap::new(),
        }
    }

    /// Notes which backends come and go. Must be called before the workers see `next`.
    pub(super) fn adopt(&mut self, before: &Plan, next: &Plan) {
        for (listener, service) in &before.services {
            let stays = next.services.get(listener);
            for backend in service.service.backends() {
                if !stays.is_some_and(|next| has(next, backend)) {
                    *self.retired.entry(*listener).or_default() += self.counts(backend).flows;
                }
            }
        }
        self.retired
            .retain(|listener, _| next.services.contains_key(listener));
        for backend in next
            .services
            .values()
            .flat_map(|service| service.service.backends())
        {
            if self
                .bases
                .get(&backend.slot)
                .is_none_or(|(epoch, _)| *epoch != backend.epoch)
            {
                let base = Counts::of(&self.workers, backend.slot);
                self.bases.insert(backend.slot, (backend.epoch, base));
            }
        }
    }

    fn counts(&self, backend: &Backend) -> Counts {
        let base = self.bases.get(&backend.slot).map(|(_, base)| *base);
        Counts::of(&self.workers, backend.slot).since(base.unwrap_or_default())
    }

    pub(super) fn status(
        &self,
        generation: Generation,
        plan: &Plan,
        sources: &[(&str, SourceState)],
    ) -> Status {
        Status {
            generation: generation.0,
            services: plan
                .services
                .iter()
                .map(|(at, service)| self.service(at, service))
                .collect(),
            problems: plan.problems.iter().map(problem).collect(),
            sources: sources
                .iter()
                .map(|(name, state)| source(name, state))
                .collect(),
            ports: Vec::new(),
            addresses: Vec::new(),
        }
    }

    fn service(&self, listener: &Listener, planned: &PlannedService) -> ServiceStatus {
        let backends: Vec<_> = planned
            .service
            .backends()
            .iter()
            .map(|backend| self.backend(backend, planned.described.backends.get(&backend.address)))
            .collect();
        let present: u64 = backends.iter().map(|backend| backend.flows_total).sum();
        ServiceStatus {
            name: planned
                .name
                .as_ref()
                .map(|name| format!("{name}.{}", self.zone)),
            address: listener.address.ip().to_string(),
            port: listener.address.port(),
            protocol: listener.protocol.name().to_owned(),
            policy: planned.service.policy().into(),
            flows_total: present + self.retired.get(listener).copied().unwrap_or(0),
            backends,
        }
    }

    fn backend(&self, backend: &Backend, described: Option<&desired::Backend>) -> BackendStatus {
        let counts = self.counts(backend);
        BackendStatus {
            address: backend.address.to_string(),
            weight: backend.weight,
            origin: described
                .map(|backend| backend.origin.clone())
                .unwrap_or_default(),
            flows_total: counts.flows,
            flows_active: counts.active,
            packets_total: counts.packets,
            bytes_total: counts.bytes,
        }
    }
}

fn has(service: &PlannedService, backend: &Backend) -> bool {
    let same = |other: &Backend| other.slot == backend.slot && other.epoch == backend.epoch;
    service.service.backends().iter().any(same)
}

fn problem(problem: &Problem) -> ProblemStatus {
    ProblemStatus {
        source: problem.source.clone(),
        subject: problem.subject.clone(),
        port_index: problem.port_index,
        label: problem.label.clone(),
        reason: problem.reason.clone(),
    }
}

fn source(name: &str, state: &SourceState) -> SourceStatus {
    SourceStatus {
        name: name.to_owned(),
        synced: state.snapshot.is_some(),
        reads_total: state.reads_total,
        failures_total: state.failures_total,
        last_good_seconds: state.read_at.map(|at| at.elapsed().as_secs()),
        fault: state.fault.as_ref().map(|fault| fault.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use dataplane::Protocol;
    use dataplane::clock::TickSpan;
    use dataplane::table::{Policy, Service, ServiceSlot, Timeouts};

    use super::*;

    fn plan(backends: &[(u32, u16)]) -> Plan {
        let address = |slot: u32| ([10, 0, 0, slot as u8], 80).into();
        let backends: Vec<_> = backends
            .iter()
            .map(|&(slot, epoch)| Backend {
                slot: BackendSlot(slot),
                epoch: Epoch(epoch),
                address: address(slot),
                weight: 1,
            })
            .collect();
        let span = TickSpan(1);
        let timeouts = Timeouts {
            tcp_handshake: span,
            tcp_established: span,
            tcp_closing: span,
            udp: span,
        };
        let listener = Listener::new(([11, 0, 0, 1], 80).into(), Protocol::Tcp);
        let service = Service::new(
            ServiceSlot(0),
            listener.address,
            listener.protocol,
            Policy::new(timeouts),
            backends,
        );
        let planned = PlannedService {
            service: Arc::new(service),
            name: None,
            described: desired::Service::default(),
        };
        Plan {
            services: [(listener, planned)].into(),
            ..Plan::default()
        }
    }

    fn flows(observer: &Observer, plan: &Plan) -> (u64, Vec<u64>) {
        let status = observer.status(Generation(1), plan, &[]);
        let service = &status.services[0];
        (
            service.flows_total,
            service.backends.iter().map(|b| b.flows_total).collect(),
        )
    }

    #[test]
    fn counters_belong_to_the_present_holder_and_services_never_go_back() {
        let workers: Vec<_> = (0..2)
            .map(|_| Arc::new(WorkerCounters::new(1, 4)))
            .collect();
        let count = |slot, n| {
            for worker in &workers {
                worker
                    .backend(BackendSlot(slot))
                    .expect("the slot exists")
                    .flows
                    .add(n);
            }
        };
        let mut observer = Observer::new(workers.clone(), "zone".to_owned());
        let first = plan(&[(0, 0), (1, 0)]);
        observer.adopt(&Plan::default(), &first);
        count(0, 5);
        count(1, 7);
        assert_eq!(flows(&observer, &first), (24, vec![10, 14]));
        let second = plan(&[(0, 1), (1, 0)]);
        observer.adopt(&first, &second);
        assert_eq!(flows(&observer, &second), (24, vec![0, 14]));
        count(0, 1);
        assert_eq!(flows(&observer, &second), (26, vec![2, 14]));
    }
}
