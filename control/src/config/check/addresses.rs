//! Checks of `[nat]` and `[vips]` against the ports and each other: one address, one purpose.

use std::net::IpAddr;

use super::Notes;
use crate::config::value::InterfaceAddress;
use crate::config::{Config, Interface};

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    if config.nat.addresses.is_empty() {
        notes.error(
            "nat.addresses",
            "there is no source address".to_owned(),
            "expected at least one",
            "add a free address of a port's subnet",
        );
    }
    for index in 0..config.nat.addresses.len() {
        source_address(config, index, notes);
    }
    source_ports(config, notes);
    pool(config, notes);
}

fn source_address(config: &Config, index: usize, notes: &mut Notes<'_>) {
    let address = config.nat.addresses[index];
    let path = format!("nat.addresses.{index}");
    if let Some(owner) = owner(config, index) {
        notes.error(
            &path,
            format!("the source address {address} is {owner}"),
            "expected a free address",
            "use an address that nothing else has",
        );
    } else if !subnets(config).any(|own| own.is_host(address.into())) {
        notes.warning(
            &path,
            format!("the source address {address} is outside every port's subnet"),
            "expected an address in a port's subnet",
            "make sure that the backends' network routes it to one of Viaduct's ports",
        );
    }
}

/// What else has the source address with this index.
fn owner(config: &Config, index: usize) -> Option<String> {
    let address = config.nat.addresses[index];
    for port in &config.ports {
        let mut interfaces = port.interfaces();
        let has = |i: &Interface<'_>| i.address.v4().is_some_and(|(own, _)| own == address);
        if interfaces.any(|i| has(&i)) {
            return Some(format!("already the address of the port `{}`", port.name));
        }
        if port.interfaces().any(|i| i.gateway.v4() == Some(address)) {
            return Some(format!("already the gateway of the port `{}`", port.name));
        }
    }
    let ip = IpAddr::from(address);
    if let Some(own) = subnets(config).find(|own| own.subnet().contains(&ip) && !own.is_host(ip)) {
        let subnet = own.subnet();
        return Some(format!(
            "the network's or the broadcast address of {subnet}"
        ));
    }
    let twice = config.nat.addresses[..index].contains(&address);
    let unusable = address.is_unspecified() || address.is_multicast() || address.is_broadcast();
    if twice {
        Some("listed twice".to_owned())
    } else if unusable || address.is_loopback() {
        Some("not one that a host can have".to_owned())
    } else {
        None
    }
}

/// Every subnet that a port is in.
fn subnets(config: &Config) -> impl Iterator<Item = &InterfaceAddress> {
    let interfaces = config.ports.iter().flat_map(|port| port.interfaces());
    interfaces.flat_map(|interface| interface.address.as_slice())
}

/// Every worker needs at least one source port that is its own.
fn source_ports(config: &Config, notes: &mut Notes<'_>) {
    let (ports, workers) = (config.nat.ports.count(), config.workers.cores.count());
    if ports < workers {
        notes.error(
            "nat.ports",
            format!("{ports} source ports cannot be shared out among {workers} workers"),
            "expected at least one port for each worker",
            "use a wider range, such as \"1024-65535\"",
        );
    }
}

/// Noted at the address rather than at the pool, which is mostly the default.
fn pool(config: &Config, notes: &mut Notes<'_>) {
    for (index, port) in config.ports.iter().enumerate() {
        for interface in port.interfaces() {
            for own in interface.address.as_slice() {
                let subnet = own.subnet();
                if config.vips.pool.overlaps(subnet) {
                    let path = match interface.index {
                        None => format!("ports.{index}.address"),
                        Some(vlan) => format!("ports.{index}.vlans.{vlan}.address"),
                    };
                    overlap(config, &path, &format!("the subnet {subnet}"), notes);
                }
            }
        }
    }
    for (index, address) in config.nat.addresses.iter().enumerate() {
        if config.vips.pool.contains(*address) {
            let path = format!("nat.addresses.{index}");
            overlap(
                config,
                &path,
                &format!("the source address {address}"),
                notes,
            );
        }
    }
}

fn overlap(config: &Config, path: &str, what: &str, notes: &mut Notes<'_>) {
    notes.error(
        path,
        format!("{what} overlaps the VIP pool {}", config.vips.pool),
        "expected addresses outside the pool",
        "choose another vips.pool, or renumber",
    );
}
