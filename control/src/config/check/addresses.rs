//! Checks of `[nat]` and `[vips]` against the ports and each other: one address, one purpose.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

use dataplane::table::Mode;

use super::Notes;
use crate::config::Config;

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
    } else if let IpAddr::V4(address) = address
        && !config.ports.iter().any(|p| p.address.is_host(address))
    {
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
    let of_a_port = match address {
        IpAddr::V4(address) => owner_ipv4(config, address),
        IpAddr::V6(_) => None,
    };
    let other = || {
        let twice = config.nat.addresses[..index].contains(&address);
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

fn owner_ipv4(config: &Config, address: Ipv4Addr) -> Option<String> {
    for port in &config.ports {
        if port.address.address() == address {
            return Some(format!("already the address of the port `{}`", port.name));
        }
        if port.gateway == Some(address) {
            return Some(format!("already the gateway of the port `{}`", port.name));
        }
        if port.address.subnet().contains(&address) && !port.address.is_host(address) {
            let subnet = port.address.subnet();
            return Some(format!(
                "the network's or the broadcast address of {subnet}"
            ));
        }
    }
    None
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
        let subnet = port.address.subnet();
        if config.vips.pool.overlaps(subnet) {
            let path = format!("ports.{index}.address");
            let what = format!("the subnet {subnet}");
            overlap(&config.vips.pool, "vips.pool", &path, &what, notes);
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

fn overlap(pool: &impl Display, key: &str, path: &str, what: &str, notes: &mut Notes<'_>) {
    notes.error(
        path,
        format!("{what} overlaps the VIP pool {pool}"),
        "expected addresses outside the pool",
        format!("choose another {key}, or renumber"),
    );
}
