//! Whether this host should get traffic.
//!
//! It should once a first forwarding table is live, and as long as any port has a link. Faults of sources do not change that: the
//! last good table goes on forwarding, and a host that withdrew because Marathon is away would
//! turn a fault of the control plane into an outage. They show in the verbose answer.

use crate::status::{PortStatus, SourceStatus, Status};

/// One check: whether it is good, and a line about it.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    good: bool,
    line: String,
}

/// All checks.
#[derive(Debug)]
pub(super) struct Readiness {
    table: Check,
    ports: Vec<Check>,
    sources: Vec<Check>,
}

impl Readiness {
    pub(super) fn of(status: &Status) -> Self {
        Self {
            table: table(status.generation),
            ports: status.ports.iter().map(port).collect(),
            sources: status.sources.iter().map(source).collect(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        let linked = self.ports.is_empty() || self.ports.iter().any(|port| port.good);
        self.table.good && linked
    }

    /// `ready` or `not ready`.
    pub(super) fn summary(&self) -> String {
        match self.is_ready() {
            true => "ready\n".to_owned(),
            false => "not ready\n".to_owned(),
        }
    }

    /// Every check, one a line, and the summary.
    pub(super) fn verbose(&self) -> String {
        let checks = std::iter::once(&self.table).chain(&self.ports);
        let checks = checks.chain(&self.sources);
        let line = |check: &Check| {
            let mark = if check.good { '+' } else { '-' };
            format!("[{mark}] {}\n", check.line)
        };
        checks.map(line).chain([self.summary()]).collect()
    }
}

fn table(generation: u64) -> Check {
    let good = generation > 0;
    let line = match good {
        true => format!("table: generation {generation} acknowledged by all workers"),
        false => "table: none acknowledged by all workers yet".to_owned(),
    };
    Check { good, line }
}

/// A driver that does not tell is trusted.
fn port(port: &PortStatus) -> Check {
    let name = &port.name;
    let state = match (port.up, &port.fault) {
        (Some(false), Some(fault)) => format!("link is down: {fault}"),
        (Some(false), None) => "link is down".to_owned(),
        (Some(true), _) => "link is up".to_owned(),
        (None, _) => "the driver does not tell about its link".to_owned(),
    };
    Check {
        good: port.up != Some(false),
        line: format!("port {name}: {state}"),
    }
}

fn source(source: &SourceStatus) -> Check {
    let name = &source.name;
    let state = match (&source.fault, source.synced, source.last_good_seconds) {
        (Some(fault), ..) => fault.replace(['\n', '\r'], " "),
        (None, false, _) => "no good read yet".to_owned(),
        (None, true, Some(seconds)) => format!("last good read {seconds} s ago"),
        (None, true, None) => "read".to_owned(),
    };
    Check {
        good: source.synced && source.fault.is_none(),
        line: format!("source {name}: {state}"),
    }
}
