//! Checks of `[nat]` and `[vips]` against the ports and each other: one address, one purpose.

use std::fmt::Display;
use std::net::IpAddr;

use dataplane::table::Mode;
use ipnet::IpNet;

use super::Notes;
use crate::config::value::InterfaceAddress;
use crate::config::{Config, Interface};

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    if config.nat.addresses.is_empty() && config.services.mode == Mode::Nat {
        notes.error(
            "nat.addresses",
            "there is no source address".to_owned(),
            "expected at least one while services.mode is \"nat\"",
            "add a [nat] table with addresses = [\"10.99.0.3\"], a free address of a port's subnet",
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
    } else if !subnets(config).any(|own| own.is_host(address)) {
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
    let twice = config.nat.addresses[..index].contains(&address);
    let of_a_port = owner_in_ports(config, address);
    let other = || {
        if twice {
            Some("listed twice".to_owned())
        } else if is_impossible(address) {
            Some("not one that a host can have".to_owned())
        } else {
            None
        }
    };
    of_a_port.or_else(other)
}

fn owner_in_ports(config: &Config, address: IpAddr) -> Option<String> {
    for port in &config.ports {
        let has = |i: &Interface<'_>| i.address.as_slice().iter().any(|a| a.address() == address);
        if port.interfaces().any(|i| has(&i)) {
            return Some(format!("already the address of the port `{}`", port.name));
        }
        let leads = |i: &Interface<'_>| i.gateway.as_slice().iter().any(|a| a.get() == address);
        if port.interfaces().any(|i| leads(&i)) {
            return Some(format!("already the gateway of the port `{}`", port.name));
        }
    }
    let reserves =
        |own: &&InterfaceAddress| own.subnet().contains(&address) && !own.is_host(address);
    let subnet = subnets(config).find(reserves)?.subnet();
    Some(match address {
        IpAddr::V4(_) => format!("the network's or the broadcast address of {subnet}"),
        IpAddr::V6(_) => format!("the address of all routers in {subnet}"),
    })
}

/// True for addresses that no interface can have, or none that packets can come from beyond it.
fn is_impossible(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_multicast() || address.is_loopback();
    special
        || match address {
            IpAddr::V4(address) => address.is_broadcast(),
            IpAddr::V6(address) => {
                address.is_unicast_link_local() || address.to_ipv4_mapped().is_some()
            }
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
            let path = match interface.index {
                None => format!("ports.{index}.address"),
                Some(vlan) => format!("ports.{index}.vlans.{vlan}.address"),
            };
            for own in interface.address.as_slice() {
                subnet(config, own.subnet(), &path, notes);
            }
        }
    }
    for (index, address) in config.nat.addresses.iter().enumerate() {
        let vips = &config.vips;
        let inside = match address {
            IpAddr::V4(address) => vips.pool.contains(*address),
            IpAddr::V6(address) => vips.pool6.contains(*address),
        };
        if inside {
            let path = format!("nat.addresses.{index}");
            let what = format!("the source address {address}");
            match address {
                IpAddr::V4(_) => overlap(&vips.pool, "vips.pool", &path, &what, notes),
                IpAddr::V6(_) => overlap(&vips.pool6, "vips.pool6", &path, &what, notes),
            }
        }
    }
}

/// A port's subnet and the pool of its family.
fn subnet(config: &Config, subnet: IpNet, path: &str, notes: &mut Notes<'_>) {
    let (vips, what) = (&config.vips, format!("the subnet {subnet}"));
    match subnet {
        IpNet::V4(subnet) if vips.pool.overlaps(subnet) => {
            overlap(&vips.pool, "vips.pool", path, &what, notes);
        }
        IpNet::V6(subnet) if vips.pool6.overlaps(subnet) => {
            overlap(&vips.pool6, "vips.pool6", path, &what, notes);
        }
        IpNet::V4(_) | IpNet::V6(_) => {}
    }
}

fn overlap(pool: &impl Display, key: &str, path: &str, what: &str, notes: &mut Notes<'_>) {
    notes.error(
        path,
        format!("{what} overlaps the VIP pool {pool}"),
        "expected addresses outside the pool",
        format!("choose another {key}, or renumber"),
    );
}
