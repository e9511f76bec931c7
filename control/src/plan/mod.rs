//! From what the sources say to a forwarding table.
//!
//! ```text
//! snapshots ─ merge ─▶ services by name ─ resolve ─▶ services by address ─ Planner ─▶ Plan
//! ```
//! Everything here is a function of its inputs and of what was planned before; nothing waits,
//! reads a clock or talks to anybody. A service that has not changed keeps its Maglev table.

mod merge;
mod policy;
mod resolve;
mod site;
mod slots;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dataplane::Protocol;
use dataplane::table::{Backend, BackendSlot, Epoch, Service, ServiceSlot, Table};

pub use merge::merge;
pub use policy::Defaults;
pub use resolve::{Listener, Resolved, ResolvedService, resolve};
pub use site::{Reach, Site};

use crate::desired::{self, Problem};
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
    /// Its backends and options as the sources describe them.
    pub described: desired::Service,
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
    defaults: Defaults,
    services: Slots<Listener>,
    backends: Slots<(Listener, SocketAddr)>,
}

impl Planner {
    /// A planner of services with these defaults, for this many backend slots.
    #[must_use]
    pub fn new(defaults: Defaults, backend_slots: u32) -> Self {
        Self {
            defaults,
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
            match self.service(listener, &wanted.service, old) {
                Ok(service) => {
                    note_name(&mut plan.names, &wanted, listener.address.ip());
                    let planned = PlannedService {
                        service,
                        name: wanted.name,
                        described: wanted.service,
                    };
                    plan.services.insert(listener, planned);
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
            service.is_some_and(|resolved| resolved.service.backends.contains_key(address))
        });
    }

    fn service(
        &mut self,
        listener: Listener,
        wanted: &desired::Service,
        old: Option<&PlannedService>,
    ) -> Result<Arc<Service>, &'static str> {
        let (slot, _) = self.services.take(listener).ok_or("service")?;
        let backends = wanted
            .backends
            .iter()
            .map(|(&address, backend)| self.backend(listener, address, backend.weight))
            .collect::<Option<Vec<_>>>()
            .ok_or("backend")?;
        let policy = match old {
            // Lists of prefixes can be long: what has not changed is not worked out again.
            Some(old) if old.described.options == wanted.options => old.service.policy().clone(),
            _ => self.defaults.policy(&wanted.options),
        };
        if let Some(old) = old.filter(|old| old.service.backends() == backends) {
            return Ok(match *old.service.policy() == policy {
                true => Arc::clone(&old.service),
                false => Arc::new(old.service.with_policy(policy)),
            });
        }
        let slot = ServiceSlot(u16::try_from(slot).expect("there are 2^16 service slots"));
        let Listener { address, protocol } = listener;
        let service = Service::new(slot, address, protocol, policy, backends);
        Ok(Arc::new(service))
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
fn note_name(names: &mut BTreeMap<String, Vec<IpAddr>>, wanted: &ResolvedService, address: IpAddr) {
    let Some(name) = wanted
        .name
        .as_ref()
        .filter(|_| !wanted.service.backends.is_empty())
    else {
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
