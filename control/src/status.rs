//! What the outside may see of the running process: written by the reconcile loop, read by
//! the API, the metrics and the readiness probes. Plain values that serialise as the API's JSON.

mod policy;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use policy::{PolicyStatus, TimeoutStatus};

/// One service as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Full DNS name (`my-service.marathon.l4lb.thisdcos.directory`) for a named VIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The VIP's address.
    pub address: String,
    /// The VIP's port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// How it is balanced.
    #[serde(default)]
    pub policy: PolicyStatus,
    /// Flows made since start, over all backends.
    pub flows_total: u64,
    /// Its backends, by address.
    pub backends: Vec<BackendStatus>,
}

/// One backend of a service as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// `address:port`.
    pub address: String,
    /// Share of new flows; 0 is draining.
    pub weight: u16,
    /// Task id or file entry.
    pub origin: String,
    /// Flows made since this backend appeared.
    pub flows_total: u64,
    /// Flows that exist now.
    pub flows_active: u64,
    /// Packets sent to it.
    pub packets_total: u64,
    /// Bytes sent to it, without Ethernet headers.
    pub bytes_total: u64,
}

/// A label that was skipped (see [`crate::desired::Problem`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemStatus {
    /// Source that reported it.
    pub source: String,
    /// App, pod or entry.
    pub subject: String,
    /// Index of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_index: Option<usize>,
    /// The label as written.
    pub label: String,
    /// What is wrong.
    pub reason: String,
}

/// How a source fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The source's name.
    pub name: String,
    /// Whether a good read has ever been had.
    pub synced: bool,
    /// Good reads since start.
    pub reads_total: u64,
    /// Failed or refused reads since start.
    pub failures_total: u64,
    /// Seconds since the last good read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good_seconds: Option<u64>,
    /// The present fault, if the last read was not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A port: its link, and what its driver has counted since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Name in the configuration.
    pub name: String,
    /// Whether frames can pass; `None` if the driver does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// Why they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Bit/s, by the driver's word; virtual drivers make one up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_bits: Option<u64>,
    /// Packets lost because no worker took them in time.
    pub rx_missed_total: u64,
    /// Packets received in error.
    pub rx_errors_total: u64,
    /// Packets lost for want of packet buffers.
    pub rx_no_buffer_total: u64,
    /// Packets that could not be sent.
    pub tx_errors_total: u64,
}

/// One of Viaduct's own addresses, or of NAT's, on one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// Name of the port.
    pub port: String,
    /// VLAN of the interface, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The address.
    pub address: String,
    /// Another station has it: Viaduct does not answer for it.
    pub duplicate: bool,
    /// How often another station has said that it has it.
    pub conflicts_total: u64,
}

/// A point in time of the whole process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Generation that every worker has acknowledged; 0 before the first.
    pub generation: u64,
    /// Services by address, port and protocol.
    pub services: Vec<ServiceStatus>,
    /// Skipped labels.
    pub problems: Vec<ProblemStatus>,
    /// Sources by name.
    pub sources: Vec<SourceStatus>,
    /// Ports in the configuration's order.
    #[serde(default)]
    pub ports: Vec<PortStatus>,
    /// Own addresses, by interface.
    #[serde(default)]
    pub addresses: Vec<AddressStatus>,
}

/// Reads the newest [`Status`].
pub type StatusReader = watch::Receiver<Arc<Status>>;
