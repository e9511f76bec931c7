//! From what the sources say to a forwarding table.
//!
//! ```text
//! snapshots ─ merge ─▶ services by name ─ resolve ─▶ services by address ─ Planner ─▶ Plan
//! ```
//! Everything here is a function of its inputs and of what was planned before; nothing waits,
//! reads a clock or talks to anybody. A service that has not changed keeps its Maglev table.

mod merge;
mod resolve;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dataplane::Protocol;
use dataplane::table::{
    Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts,
};

pub use merge::merge;
pub use resolve::{Listener, Own, Resolved, resolve};

use crate::desired::{Backends, Problem};
use slots::Slots;

/// Source name of problems that planning finds.
const SOURCE: &str = "planner";

/// Services that the data plane has slots for.
pub const SERVICE_SLOTS: u32 = 1 << 16;

/// A service as it was planned.
#[derive(Clone, Debug)]
pub struct PlannedService {
    /// The service in the forwarding table.
    pub service: Arc<Service>,
    /// The name without the zone, for a named VIP.
    pub name: Option<String>,
    /// Its backends as the sources describe them.
    pub backends: Backends,
}

/// One generation: what the workers and DNS get, and what operators are shown.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Services by listener.
    pub services: BTreeMap<Listener, PlannedService>,
    /// Addresses by name, of services that have a backend.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What could not be planned, sorted.
    pub problems: Vec<Problem>,
}

impl Plan {
    /// The forwarding table.
    #[must_use]
    pub fn table(&self) -> Table {
        let services: Vec<_> = self
            .services
            .values()
            .map(|s| Arc::clone(&s.service))
            .collect();
        Table::new(&services, &BTreeSet::new())
    }
}

/// Gives services and backends their slots, and remembers them.
#[derive(Debug)]
pub struct Planner {
    timeouts: Timeouts,
    services: Slots<Listener>,
    backends: Slots<(Listener, SocketAddr)>,
}

impl Planner {
    /// A planner whose flows have these timeouts, for this many backend slots.
    #[must_use]
    pub fn new(timeouts: Timeouts, backend_slots: u32) -> Self {
        Self {
            timeouts,
            services: Slots::new(SERVICE_SLOTS),
            backends: Slots::new(backend_slots),
        }
    }

    /// Plans what was resolved, taking over from `before` what has not changed.
    pub fn plan(&mut self, resolved: Resolved, before: &Plan) -> Plan {
        self.release_what_is_gone(&resolved);
        let mut plan = Plan {
            problems: resolved.problems,
            ..Plan::default()
        };
        for (listener, wanted) in resolved.services {
            let old = before.services.get(&listener);
            match self.service(listener, &wanted.backends, old) {
                Ok(service) => {
                    note_name(&mut plan.names, &wanted, listener.address.ip());
                    let (name, backends) = (wanted.name, wanted.backends);
                    plan.services.insert(
                        listener,
                        PlannedService {
                            service,
                            name,
                            backends,
                        },
                    );
                }
                Err(reason) => plan.problems.push(no_slot(listener, reason)),
            }
        }
        plan.problems.sort();
        plan.problems.dedup();
        plan
    }

    fn release_what_is_gone(&mut self, resolved: &Resolved) {
        self.services
            .retain(|listener| resolved.services.contains_key(listener));
        self.backends.retain(|(listener, address)| {
            let service = resolved.services.get(listener);
            service.is_some_and(|service| service.backends.contains_key(address))
        });
    }

    fn service(
        &mut self,
        listener: Listener,
        wanted: &Backends,
        old: Option<&PlannedService>,
    ) -> Result<Arc<Service>, &'static str> {
        let (slot, _) = self.services.take(listener).ok_or("service")?;
        let backends = wanted
            .iter()
            .map(|(&address, backend)| self.backend(listener, address, backend.weight))
            .collect::<Option<Vec<_>>>()
            .ok_or("backend")?;
        if let Some(old) = old.filter(|old| old.service.backends() == backends) {
            return Ok(Arc::clone(&old.service));
        }
        let slot = ServiceSlot(u16::try_from(slot).expect("there are 2^16 service slots"));
        let Listener { address, protocol } = listener;
        Ok(Arc::new(Service::new(
            slot,
            address,
            protocol,
            Policy::new(self.timeouts),
            backends,
        )))
    }

    fn backend(&mut self, listener: Listener, address: SocketAddr, weight: u16) -> Option<Backend> {
        let (slot, epoch) = self.backends.take((listener, address))?;
        Some(Backend {
            slot: BackendSlot(slot),
            epoch: Epoch(epoch),
            address,
            weight,
        })
    }
}

/// A name is there while its service has a backend, even one that drains.
fn note_name(
    names: &mut BTreeMap<String, Vec<IpAddr>>,
    wanted: &resolve::ResolvedService,
    address: IpAddr,
) {
    let Some(name) = wanted.name.as_ref().filter(|_| !wanted.backends.is_empty()) else {
        return;
    };
    let addresses = names.entry(name.clone()).or_default();
    if !addresses.contains(&address) {
        addresses.push(address);
    }
}

fn no_slot(listener: Listener, kind: &str) -> Problem {
    Problem {
        source: SOURCE.to_owned(),
        subject: listener.to_string(),
        port_index: None,
        label: String::new(),
        reason: format!(
            "no {kind} slot is left: this host has as many as it can count; spread services over more hosts"
        ),
    }
}

/// `tcp` and `udp`, for sorting and display.
impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.protocol.name())
    }
}

impl Listener {
    /// A listener at this address.
    #[must_use]
    pub fn new(address: SocketAddr, protocol: Protocol) -> Self {
        Self { address, protocol }
    }
}

#[cfg(test)]
mod tests;
