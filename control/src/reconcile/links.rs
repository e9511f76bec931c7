//! The ports' links: read about once a second, because that takes system calls, and logged when they change.

use std::time::{Duration, Instant};

use dataplane::runtime::{Dataplane, PortState};
use tracing::{info, warn};

use crate::status::PortStatus;

/// How often links are read.
const PERIOD: Duration = Duration::from_secs(1);

/// What is known of the ports.
#[derive(Debug, Default)]
pub(super) struct Links {
    read: Option<Instant>,
    ports: Vec<PortStatus>,
}

impl Links {
    /// The ports as they were within the last second.
    pub(super) fn now(&mut self, dataplane: &Dataplane) -> &[PortStatus] {
        if self.read.is_none_or(|read| read.elapsed() >= PERIOD) {
            self.read = Some(Instant::now());
            let infos = dataplane.ports().into_iter().zip(dataplane.links());
            for port in self.adopt(infos.map(|(info, state)| port(info.name, state)).collect()) {
                dataplane.link_came_up(port);
            }
        }
        &self.ports
    }

    /// The ports whose links have come up.
    fn adopt(&mut self, ports: Vec<PortStatus>) -> Vec<usize> {
        let mut came_up = Vec::new();
        for (place, port) in ports.iter().enumerate() {
            let before = self.ports.get(place).and_then(|port| port.up);
            let change = change(before, port.up);
            report(change, port);
            if change == Change::Up {
                came_up.push(place);
            }
        }
        self.ports = ports;
        came_up
    }
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Up,
    Down,
}

/// A port is expected to be up when it is first seen.
fn change(before: Option<bool>, now: Option<bool>) -> Change {
    match (before, now) {
        (None | Some(true), Some(false)) => Change::Down,
        (Some(false), Some(true)) => Change::Up,
        _ => Change::Nothing,
    }
}

fn report(change: Change, port: &PortStatus) {
    match change {
        Change::Nothing => {}
        Change::Up => info!(port = port.name, "link is up"),
        Change::Down => {
            let cause = port.fault.as_deref().unwrap_or("unknown");
            warn!(
                port = port.name,
                cause, "link is down: nothing passes this port"
            );
        }
    }
}

fn port(name: String, state: PortState) -> PortStatus {
    let stats = state.stats.unwrap_or_default();
    PortStatus {
        name,
        up: state.link.map(|link| link.up),
        fault: state.link.and_then(|link| Some(link.fault?.to_string())),
        speed_bits: state
            .link
            .and_then(|link| Some(u64::from(link.speed?) * 1_000_000)),
        rx_missed_total: stats.rx_missed,
        rx_errors_total: stats.rx_errors,
        rx_no_buffer_total: stats.rx_no_mbuf,
        tx_errors_total: stats.tx_errors,
    }
}

#[cfg(test)]
mod tests {
    use dataplane::dpdk::{Link, LinkFault, PortStats};

    use super::*;

    #[test]
    fn only_changes_are_told() {
        assert_eq!(change(None, Some(true)), Change::Nothing);
        assert_eq!(change(None, Some(false)), Change::Down);
        assert_eq!(change(Some(true), Some(false)), Change::Down);
        assert_eq!(change(Some(false), Some(false)), Change::Nothing);
        assert_eq!(change(Some(false), Some(true)), Change::Up);
        assert_eq!(change(Some(true), None), Change::Nothing);
    }

    #[test]
    fn a_state_becomes_base_units_and_words() {
        let link = Link {
            up: false,
            speed: Some(10_000),
            fault: Some(LinkFault::NoCarrier),
        };
        let stats = PortStats {
            rx_missed: 3,
            rx_no_mbuf: 4,
            ..PortStats::default()
        };
        let state = PortState {
            link: Some(link),
            stats: Some(stats),
        };
        let status = port("fabric".to_owned(), state);
        assert_eq!(
            (status.up, status.speed_bits),
            (Some(false), Some(10_000_000_000))
        );
        assert_eq!((status.rx_missed_total, status.rx_no_buffer_total), (3, 4));
        assert!(
            status
                .fault
                .is_some_and(|fault| fault.contains("no carrier"))
        );
        let silent = PortState {
            link: None,
            stats: None,
        };
        assert_eq!(port("fabric".to_owned(), silent).up, None);
    }
}
