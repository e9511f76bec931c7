//! Neighbors of all workers.

use std::net::IpAddr;

use dataplane::inspect::{NeighborPage, Question};
use dataplane::neighbor::{CAPACITY, NeighborEntry, Role};
use dataplane::worker::WorkerId;
use serde::{Deserialize, Serialize};

use super::{InspectError, Inspection, milliseconds};

/// A neighbor as operators see it. Every worker has its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborStatus {
    /// The worker.
    pub worker: u8,
    /// The port that leads to it.
    pub port: String,
    /// The VLAN there, if the port is tagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Its IP address.
    pub address: IpAddr,
    /// Its Ethernet address, while one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// What is known of it: see docs/inspect.md.
    pub state: String,
    /// `infrastructure` (backends, gateways, static entries) or `client`.
    pub role: String,
    /// Milliseconds since it was confirmed, or since it was asked first, or has failed.
    pub age_ms: u64,
    /// Packets that wait for its Ethernet address.
    pub waiting: u16,
    /// Flows that use it, and one more for a gateway or a static entry.
    pub users: u32,
}

impl Inspection {
    /// All neighbors of all workers.
    ///
    /// # Errors
    /// If a worker does not answer.
    pub async fn neighbors(&self) -> Result<Vec<NeighborStatus>, InspectError> {
        let mut list = Vec::new();
        for worker in self.workers() {
            let page = Box::new(NeighborPage::new(0, CAPACITY));
            let answer = self.ask(worker, Question::Neighbors(page)).await?;
            let Question::Neighbors(page) = answer else {
                return Err(InspectError::Silent(worker));
            };
            list.extend(page.neighbors.iter().map(|n| self.neighbor(worker, n)));
        }
        Ok(list)
    }

    /// A neighbor of this worker.
    pub(super) fn neighbor(&self, worker: WorkerId, neighbor: &NeighborEntry) -> NeighborStatus {
        let interface = self.interface(neighbor.route.interface);
        NeighborStatus {
            worker: worker.0,
            port: self.port_name(interface.port).to_owned(),
            vlan: interface.vlan.map(|vlan| vlan.get()),
            address: neighbor.route.next_hop,
            mac: neighbor.mac.map(|mac| mac.to_string()),
            state: neighbor.state.label().to_owned(),
            role: match neighbor.role {
                Role::Infrastructure => "infrastructure".to_owned(),
                Role::Client => "client".to_owned(),
            },
            age_ms: milliseconds(neighbor.age),
            waiting: neighbor.waiting,
            users: neighbor.users,
        }
    }
}
