//! What the sources say should exist: services by VIP, their backends, and the labels that
//! could not be understood.
//!
//! These are plain values. A source builds a [`Snapshot`] from one full consistent read; the
//! reconcile loop merges the newest good snapshot of every source. Nothing here knows where
//! a value came from beyond the text in `origin`, or what becomes of it.

mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use dataplane::Protocol;

pub use options::{Options, Prefixes, TimeoutOptions};

/// Who a service's traffic is for: a name that Viaduct allocates an address to, or an address.
///
/// Two labels that differ only in a leading slash normalise to the same name and are one VIP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vip {
    /// The normalised `<label>.<framework>`, e.g. `my-service.marathon`: lower case, no
    /// trailing dot, without the zone.
    Named(String),
    /// A literal address; it has no DNS name.
    Address(IpAddr),
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Identity of a service: VIP, port and protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The name or address that clients use.
    pub vip: Vip,
    /// The port that clients use; never 0.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vip {
            Vip::Address(IpAddr::V6(address)) => {
                write!(f, "[{address}]:{}/{}", self.port, self.protocol)
            }
            vip => write!(f, "{vip}:{}/{}", self.port, self.protocol),
        }
    }
}

/// One place that serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Relative share of new flows; 0 means draining: existing flows stay, no new ones.
    pub weight: u16,
    /// What the backend is, for people: a task id, or a file and entry.
    pub origin: String,
}

/// Backends of one service by address. The same address twice is one backend.
pub type Backends = BTreeMap<SocketAddr, Backend>;

/// What a source wants of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Who serves it.
    pub backends: Backends,
    /// How it is balanced, where that is not by the defaults.
    pub options: Options,
}

/// A label or entry that could not be used; the rest of its source was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The source's name, e.g. `marathon` or `file`.
    pub source: String,
    /// What it was found on: an app or pod id, or a service entry's name.
    pub subject: String,
    /// Index of the port in the subject, where there is one.
    pub port_index: Option<usize>,
    /// The label as written, `KEY=VALUE`, or the key of a configuration entry.
    pub label: String,
    /// What is wrong and what to write instead.
    pub reason: String,
}

/// Everything that one source wants, from one full read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Services by identity. A service without backends is allowed: its name keeps its address.
    pub services: BTreeMap<ServiceKey, Service>,
    /// What was skipped, sorted.
    pub problems: Vec<Problem>,
}
