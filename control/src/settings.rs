//! The data plane's settings and the sources' options from the configuration.

mod ports;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::clock::TickSpan;
use dataplane::network::{Pools, PortRange, SnatAddresses};
use dataplane::runtime::{Hugepages, Idle, Settings};
use dataplane::table::{Policy, Timeouts};

use crate::config::value::{Affinity, InterfaceAddress, Period, Prefix};
use crate::config::{self, Config};
use crate::desired::Options;
use crate::plan::{Defaults, Reach, Site};
use crate::sources::{file, marathon};
use crate::vip::allocator::{Allocator, Allocators};
use crate::vip::pool::Pool;
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
        half_open: workers.half_open(),
        backend_slots: BACKEND_SLOTS as usize,
        hugepages: match memory.hugepages {
            config::Hugepages::Auto => Hugepages::Auto,
            config::Hugepages::Require => Hugepages::Require,
            config::Hugepages::Never => Hugepages::Never,
        },
        memory_mib: u32::try_from(memory.size.bytes() >> 20).unwrap_or(u32::MAX),
        mbufs: memory.mbufs,
        ports: ports(config),
        snat: snat(nat),
        snat_ports: PortRange {
            first: nat.ports.first(),
            last: nat.ports.last(),
        },
        pools: Pools {
            ipv4: Some(config.vips.pool.first()..=config.vips.pool.last()),
            ipv6: Some(config.vips.pool6.first()..=config.vips.pool6.last()),
        },
        refusal: config.services.no_backend,
        gue_port: config.tunnels.gue_port,
        eal_arguments,
    }
}

fn snat(nat: &config::Nat) -> SnatAddresses {
    let mut snat = SnatAddresses::default();
    for address in &nat.addresses {
        match *address {
            IpAddr::V4(address) => snat.ipv4.push(address),
            IpAddr::V6(address) => snat.ipv6.push(address),
        }
    }
    snat
}

/// How services are balanced that do not say otherwise.
#[must_use]
pub fn defaults(config: &Config) -> Defaults {
    let services = &config.services;
    let policy = Policy {
        mode: services.mode,
        refusal: services.no_backend,
        removal: services.on_removal,
        source_affinity: services.affinity == Affinity::Source,
        ..Policy::new(timeouts(&config.timeouts))
    };
    let prefixes = |list: &[Prefix]| Arc::new(list.iter().map(|prefix| prefix.get()).collect());
    let options = Options {
        max_segment: Some(services.max_segment),
        new_flows_per_second: Some(services.new_flows_per_second),
        flows: Some(services.flows),
        allow: Some(prefixes(&services.allow)),
        deny: Some(prefixes(&services.deny)),
        ..Options::default()
    };
    Defaults::new(policy, &options)
}

fn timeouts(timeouts: &config::Timeouts) -> Timeouts {
    let span = |period: Period| TickSpan::from_duration(period.get());
    Timeouts {
        tcp_handshake: span(timeouts.tcp_handshake),
        tcp_established: span(timeouts.tcp_established),
        tcp_closing: span(timeouts.tcp_closing),
        udp: span(timeouts.udp),
    }
}

/// What of this host decides which services it can serve.
#[must_use]
pub fn site(config: &Config) -> Site {
    let reach = |wanted: fn(&IpAddr) -> bool| Reach {
        port: interface_addresses(config).any(|address| wanted(&address)),
        nat: config.nat.addresses.iter().any(wanted),
    };
    Site {
        own: own(config),
        mode: config.services.mode,
        ipv4: reach(IpAddr::is_ipv4),
        ipv6: reach(IpAddr::is_ipv6),
    }
}

/// Addresses that no VIP may have: of ports, gateways and NAT.
fn own(config: &Config) -> BTreeSet<IpAddr> {
    let gateways = interfaces(config).flat_map(|interface| interface.gateway.as_slice());
    interface_addresses(config)
        .chain(gateways.map(|gateway| gateway.get()))
        .chain(config.nat.addresses.iter().copied())
        .collect()
}

fn interfaces(config: &Config) -> impl Iterator<Item = config::Interface<'_>> {
    config.ports.iter().flat_map(config::Port::interfaces)
}

fn interface_addresses(config: &Config) -> impl Iterator<Item = IpAddr> {
    let addresses = interfaces(config).flat_map(|interface| interface.address.as_slice());
    addresses.map(InterfaceAddress::address)
}

/// Gives named VIPs their addresses.
#[must_use]
pub fn allocators(vips: &config::Vips) -> Allocators {
    let (ipv4, ipv6) = (vips.pool, vips.pool6);
    Allocators {
        ipv4: Allocator::new(Pool::new(ipv4.first(), ipv4.last())),
        ipv6: Allocator::new(Pool::new(ipv6.first(), ipv6.last())),
    }
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

#[cfg(test)]
mod tests {
    use dataplane::table::{Limits, Mode, Refusal, Removal};

    use super::*;

    fn config(lines: &str) -> Config {
        let text = format!(
            r#"
            [[ports]]
            name = "fabric"
            driver = "tap"
            interface = "dtap0"
            address = "10.99.0.2/24"
            gateway = "10.99.0.1"
            [sources.file]
            {lines}
            "#
        );
        let loaded = Config::parse(&text, "viaduct.toml", &[0, 1]);
        loaded.expect("valid").config
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn source_addresses_are_sorted_by_family_and_not_for_vips() {
        let config = config("[nat]\naddresses = [\"10.99.0.3\", \"fd00::3\", \"10.99.0.4\"]");
        let snat = dataplane(&config, Vec::new()).snat;
        assert_eq!((snat.ipv4.len(), snat.ipv6.len()), (2, 1));
        let site = site(&config);
        let own = [
            "10.99.0.1",
            "10.99.0.2",
            "10.99.0.3",
            "10.99.0.4",
            "fd00::3",
        ];
        assert_eq!(site.own, own.map(ip).into());
        assert!(site.ipv4.nat && site.ipv6.nat && site.ipv4.port && !site.ipv6.port);
    }

    #[test]
    fn a_host_without_source_addresses_of_a_family_cannot_translate_to_it() {
        let site = site(&config("[nat]\naddresses = [\"10.99.0.3\"]"));
        assert!(site.ipv4.nat && !site.ipv6.nat);
    }

    #[test]
    fn every_default_of_services_becomes_policy() {
        let config = config(
            r#"
            [services]
            mode = "gue"
            no_backend = "drop"
            on_removal = "keep"
            affinity = "source"
            max_segment = 1400
            new_flows_per_second = 10
            flows = 20
            allow = ["10.0.0.0/8"]
            deny = ["10.66.0.0/16"]
            [timeouts]
            udp = "1s"
            [tunnels]
            gue_port = 6081
            [workers]
            half_open = 99
            "#,
        );
        let policy = defaults(&config).policy(&Options::default());
        assert_eq!((policy.mode, site(&config).mode), (Mode::Gue, Mode::Gue));
        assert_eq!(
            (policy.refusal, policy.removal),
            (Refusal::Drop, Removal::Keep)
        );
        assert!(policy.source_affinity && policy.max_segment == Some(1400));
        let limits = Limits {
            new_flows_per_second: Some(10),
            flows: Some(20),
        };
        assert_eq!((policy.limits, policy.timeouts.udp), (limits, TickSpan(10)));
        let permits = |client| policy.permits(ip(client));
        assert!(permits("10.1.1.1") && !permits("10.66.1.1") && !permits("11.1.1.1"));
        let settings = dataplane(&config, Vec::new());
        assert_eq!((settings.gue_port, settings.half_open), (6081, 99));
    }
}
