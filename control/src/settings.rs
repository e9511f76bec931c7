//! The data plane's settings and the sources' options from the configuration.

mod ports;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use dataplane::clock::TickSpan;
use dataplane::network::PortRange;
use dataplane::runtime::{Hugepages, Idle, Settings};
use dataplane::table::Timeouts;

use crate::config::{self, Config};
use crate::plan::Own;
use crate::sources::{file, marathon};
use ports::ports;

/// Backends that can be counted at a time. A slot takes 32 bytes for each worker.
pub const BACKEND_SLOTS: u32 = 1 << 17;

/// What the data plane is started with.
#[must_use]
pub fn dataplane(config: &Config, eal_arguments: Vec<String>) -> Settings {
    let Config {
        workers,
        memory,
        nat,
        ..
    } = config;
    Settings {
        file_prefix: format!("viaduct-{}", std::process::id()),
        control_core: config.control.core,
        worker_cores: workers.cores.as_slice().to_vec(),
        idle: match workers.idle {
            config::Idle::Spin => Idle::Spin,
            config::Idle::Sleep => Idle::Sleep(workers.idle_max_sleep.get()),
        },
        flows: workers.flows,
        backend_slots: BACKEND_SLOTS as usize,
        hugepages: match memory.hugepages {
            config::Hugepages::Auto => Hugepages::Auto,
            config::Hugepages::Require => Hugepages::Require,
            config::Hugepages::Never => Hugepages::Never,
        },
        memory_mib: u32::try_from(memory.size.bytes() >> 20).unwrap_or(u32::MAX),
        mbufs: memory.mbufs,
        ports: ports(config),
        snat_addresses: nat.addresses.clone(),
        snat_ports: PortRange {
            first: nat.ports.first(),
            last: nat.ports.last(),
        },
        eal_arguments,
    }
}

/// Idle timeouts of all services.
#[must_use]
pub fn timeouts(timeouts: &config::Timeouts) -> Timeouts {
    let span = |period: config::value::Period| TickSpan::from_duration(period.get());
    Timeouts {
        tcp_handshake: span(timeouts.tcp_handshake),
        tcp_established: span(timeouts.tcp_established),
        tcp_closing: span(timeouts.tcp_closing),
        udp: span(timeouts.udp),
    }
}

/// Addresses that no VIP may have: of ports, gateways and NAT.
#[must_use]
pub fn own(config: &Config) -> Own {
    let interfaces = config.ports.iter().flat_map(config::Port::interfaces);
    let of_ports = interfaces
        .flat_map(|i| [i.address.v4().map(|(own, _)| own), i.gateway.v4()])
        .flatten();
    let all: BTreeSet<Ipv4Addr> = of_ports
        .chain(config.nat.addresses.iter().copied())
        .collect();
    Own(all)
}

/// Options of the Marathon source.
#[must_use]
pub fn marathon(config: &config::Marathon) -> marathon::Options {
    marathon::Options {
        urls: config.urls.iter().map(|url| url.url().clone()).collect(),
        framework: config.framework.clone(),
        debounce: config.debounce.get(),
        resync: config.resync.get(),
        timeout: config.timeout.get(),
        empty_hold: config.empty_hold.get(),
        max_body: config.max_body.bytes(),
    }
}

/// Options of the file source.
#[must_use]
pub fn file(config: &config::File) -> file::Options {
    file::Options {
        path: config.path.clone(),
        poll: config.poll.get(),
    }
}
