//! The data plane's network and table from a suite's setup.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dataplane::clock::TickSpan;
use dataplane::network::{
    Attachment, Interface, Network, Pools, PortRange, SnatAddresses, Subnet, Tunnels,
};
use dataplane::table::prefixes::{Prefix, SourceFilter};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Limits, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::wire::ethernet::VlanId;
use dataplane::wire::tunnel::GueVariant;
use ipnet::IpNet;

use super::suite::{self, Setup};

/// Idle timeouts of all services: short, so that cases need not let much time pass.
const TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: TickSpan(100),
    tcp_established: TickSpan(600),
    tcp_closing: TickSpan(200),
    udp: TickSpan(300),
};

/// Backend slots that each service has for itself.
const BACKENDS_EACH: usize = 64;

/// Backend slots that the counters need.
pub(super) fn backend_slots(setup: &Setup) -> usize {
    setup.service.len() * BACKENDS_EACH
}

/// Where the setup's load balancer stands.
pub(super) fn network(setup: &Setup) -> Network {
    let mut snat = SnatAddresses::default();
    for address in &setup.snat {
        match address {
            IpAddr::V4(address) => snat.ipv4.push(*address),
            IpAddr::V6(address) => snat.ipv6.push(*address),
        }
    }
    Network {
        interfaces: (0..).zip(&setup.port).map(interface).collect(),
        snat,
        snat_ports: PortRange {
            first: setup.snat_ports.first(),
            last: setup.snat_ports.last(),
        },
        tunnels: Tunnels {
            gue_port: setup.gue_port,
            gue_variant: match setup.gue_variant {
                0 => GueVariant::Header,
                _ => GueVariant::Direct,
            },
            ..Tunnels::default()
        },
        pools: Pools {
            ipv4: setup.pool.map(|pool| pool.first()..=pool.last()),
            ipv6: None,
        },
        workers: setup.workers,
        ..Network::default()
    }
}

fn interface((number, port): (usize, &suite::Port)) -> Interface {
    Interface {
        vlan: port.vlan.and_then(|vlan| VlanId::new(vlan.get())),
        mtu: port.mtu,
        ipv4: port.ipv4.map(|net| Attachment {
            address: net.addr(),
            subnet: Subnet::of(net.addr(), net.prefix_len()),
            gateway: port.ipv4_gateway,
        }),
        ipv6: port.ipv6.map(|net| Attachment {
            address: net.addr(),
            subnet: Subnet::of(net.addr(), net.prefix_len()),
            gateway: port.ipv6_gateway,
        }),
        ..Interface::new(number, port.mac.0)
    }
}

/// What the setup's load balancer balances.
pub(super) fn table(setup: &Setup) -> Table {
    let services: Vec<_> = (0..).zip(&setup.service).map(service).collect();
    Table::new(&services, &BTreeSet::new())
}

fn service((number, service): (u16, &suite::Service)) -> Arc<Service> {
    let working = service.backends.iter().map(|address| (address, 1));
    let draining = service.draining.iter().map(|address| (address, 0));
    let backends = working.chain(draining).map(|(&address, weight)| Backend {
        slot: slot(number, address),
        epoch: Epoch(0),
        address,
        weight,
    });
    Arc::new(Service::new(
        ServiceSlot(number),
        service.vip,
        service.protocol,
        policy(service),
        backends.collect(),
    ))
}

/// A slot that a backend has in every setup: the last bits of its address.
fn slot(service: u16, address: SocketAddr) -> BackendSlot {
    let last = match address.ip() {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15],
    };
    let within = usize::from(last) % BACKENDS_EACH;
    BackendSlot((usize::from(service) * BACKENDS_EACH + within) as u32)
}

fn policy(service: &suite::Service) -> Policy {
    let prefix = |net: &IpNet| Prefix {
        address: net.addr(),
        len: net.prefix_len(),
    };
    let list = |nets: &[IpNet]| nets.iter().map(prefix).collect();
    let filters = !service.allow.is_empty() || !service.deny.is_empty();
    let filter = || Arc::new(SourceFilter::new(list(&service.allow), list(&service.deny)));
    Policy {
        mode: service.mode,
        refusal: service.refusal,
        removal: service.removal,
        source_affinity: service.source_affinity,
        max_segment: service.max_segment,
        limits: Limits {
            new_flows_per_second: service.new_flows_per_second,
            flows: service.max_flows,
        },
        sources: filters.then(filter),
        ..Policy::new(TIMEOUTS)
    }
}
