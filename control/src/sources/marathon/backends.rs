//! From apps and their tasks to a [`Snapshot`]: every declared VIP with the addresses that
//! serve it. A pure function of one read, the addresses of the agents and the verdicts of the
//! read before.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::health::{self, Healthy};
use super::model::{self, App, Task};
use super::shape::Target;
use super::vips::{self, Declaration, Problems};
use crate::desired::{Backend, Backends, Service, ServiceKey, Snapshot};

/// Addresses of agents that are known by name.
pub(super) type Hosts = BTreeMap<String, IpAddr>;

/// Why a task serves no backend.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error(
        "the agent {host:?} of a running task has no address; check that this host can resolve the name"
    )]
    Host { host: String },
    #[error("a running task has no host port with index {index}; Marathon lists {count} of them")]
    HostPort { index: usize, count: usize },
    #[error("a running task has no address of its own yet")]
    Address,
    #[error("the port has neither a host port nor a container port; give it one of them")]
    Nowhere,
}

/// Apps with the VIPs that each declares.
#[derive(Debug, Default)]
pub(super) struct Apps {
    apps: Vec<(App, Vec<Declaration>)>,
    problems: Problems,
}

impl Apps {
    /// Reads a list of apps; one that is no app at all is reported and skipped.
    pub(super) fn read(values: &[Value], framework: &str) -> Self {
        let mut read = Self::default();
        for (index, value) in values.iter().enumerate() {
            match model::app(value) {
                Some(app) => read.add(app, framework),
                None => read.problems.add(
                    &format!("apps[{index}]"),
                    None,
                    "",
                    "it is not a JSON object, so it was skipped",
                ),
            }
        }
        read
    }

    fn add(&mut self, app: App, framework: &str) {
        let declared = vips::declarations(&app, framework, &mut self.problems);
        if !declared.is_empty() {
            self.apps.push((app, declared));
        }
    }

    /// The agents whose addresses must be found out.
    pub(super) fn host_names(&self) -> BTreeSet<String> {
        let tasks = self.apps.iter().flat_map(|(app, _)| &app.tasks);
        let hosts = tasks.map(|task| &task.host);
        hosts
            .filter(|host| !host.is_empty() && host.parse::<IpAddr>().is_err())
            .cloned()
            .collect()
    }

    /// The tasks that count as healthy, given those that did before.
    pub(super) fn healthy(&self, before: &Healthy) -> Healthy {
        self.apps
            .iter()
            .flat_map(|(app, _)| health::healthy(app, before))
            .collect()
    }

    /// The services, given the addresses of the agents and the tasks that were healthy before.
    pub(super) fn snapshot(mut self, hosts: &Hosts, before: &Healthy) -> Snapshot {
        let mut services = BTreeMap::new();
        for (app, declared) in &self.apps {
            for declaration in declared {
                let backends = backends(app, declaration, hosts, before, &mut self.problems);
                merge(&mut services, declaration, &backends);
            }
        }
        Snapshot {
            services,
            problems: self.problems.into_sorted(),
        }
    }
}

/// The backends that the tasks of `app` are for one declared VIP.
fn backends(
    app: &App,
    declared: &Declaration,
    hosts: &Hosts,
    before: &Healthy,
    problems: &mut Problems,
) -> Backends {
    let mut backends = Backends::new();
    for task in &app.tasks {
        let Some(weight) = health::weight(app, task, before) else {
            continue;
        };
        match sockets(task, declared.target, hosts) {
            Ok(sockets) => sockets.into_iter().for_each(|socket| {
                insert(
                    &mut backends,
                    socket,
                    &Backend {
                        weight,
                        origin: task.id.clone(),
                    },
                );
            }),
            Err(why) => problems.add(&app.id, Some(declared.port_index), &declared.label, why),
        }
    }
    backends
}

/// Adds backends to every service of a declaration; a service exists even without any.
fn merge(
    services: &mut BTreeMap<ServiceKey, Service>,
    declared: &Declaration,
    backends: &Backends,
) {
    for key in &declared.services {
        let all = &mut services.entry(key.clone()).or_default().backends;
        for (socket, backend) in backends {
            insert(all, *socket, backend);
        }
    }
}

/// Adds one backend. Two at the same address are one: the one with more weight (a task that
/// is being killed gives way to its successor on the same port), else the first by origin.
fn insert(backends: &mut Backends, socket: SocketAddr, backend: &Backend) {
    match backends.entry(socket) {
        Entry::Vacant(vacant) => {
            vacant.insert(backend.clone());
        }
        Entry::Occupied(mut present) => {
            let rank = |b: &Backend| (std::cmp::Reverse(b.weight), b.origin.clone());
            if rank(backend) < rank(present.get()) {
                present.insert(backend.clone());
            }
        }
    }
}

/// Where a task serves a target.
fn sockets(task: &Task, target: Target, hosts: &Hosts) -> Result<Vec<SocketAddr>, Unreachable> {
    match target {
        Target::Host(index) => {
            let host = host_address(&task.host, hosts)?;
            Ok(vec![SocketAddr::new(host, host_port(task, index)?)])
        }
        Target::Task(port) => {
            let addresses = task
                .ip_addresses
                .iter()
                .filter_map(|address| address.ip_address);
            let sockets: Vec<_> = addresses
                .map(|address| SocketAddr::new(address, port))
                .collect();
            if sockets.is_empty() {
                Err(Unreachable::Address)
            } else {
                Ok(sockets)
            }
        }
        Target::Nowhere => Err(Unreachable::Nowhere),
    }
}

fn host_address(host: &str, hosts: &Hosts) -> Result<IpAddr, Unreachable> {
    let known = host.parse().ok().or_else(|| hosts.get(host).copied());
    known.ok_or_else(|| Unreachable::Host {
        host: host.to_owned(),
    })
}

fn host_port(task: &Task, index: usize) -> Result<u16, Unreachable> {
    let port = task
        .ports
        .get(index)
        .copied()
        .flatten()
        .filter(|port| *port != 0);
    port.ok_or(Unreachable::HostPort {
        index,
        count: task.ports.len(),
    })
}

#[cfg(test)]
mod tests;
