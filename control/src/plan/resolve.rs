//! Gives every service an address, and refuses those that cannot have one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::Protocol;

use super::SOURCE;
use crate::desired::{Backends, Problem, ServiceKey, Snapshot, Vip};
use crate::vip::allocator::Allocator;

/// Where a service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// VIP and port.
    pub address: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A service with an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedService {
    /// The name without the zone, for a named VIP.
    pub name: Option<String>,
    /// Its backends, of the VIP's family.
    pub backends: Backends,
}

/// All services that can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// By listener.
    pub services: BTreeMap<Listener, ResolvedService>,
    /// What was refused, with the sources' own problems.
    pub problems: Vec<Problem>,
}

/// The host's own addresses: no VIP may be one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own(pub BTreeSet<Ipv4Addr>);

/// Resolves `desired`, allocating addresses to names.
pub fn resolve(desired: &Snapshot, own: &Own, allocator: &mut Allocator) -> Resolved {
    let names = desired.services.keys().filter_map(|key| match &key.vip {
        Vip::Named(name) => Some(name.clone()),
        Vip::Address(_) => None,
    });
    let reserved = desired
        .services
        .keys()
        .filter_map(literal_v4)
        .chain(own.0.iter().copied());
    let allocation = allocator.reconcile(&names.collect(), &reserved.collect());
    let mut resolved = Resolved {
        problems: desired.problems.clone(),
        ..Resolved::default()
    };
    resolved.problems.extend(allocation.problems);
    for (key, backends) in &desired.services {
        match address_of(key, own, &allocation.addresses) {
            Ok(Some(address)) => add(&mut resolved, key, address, backends),
            // The allocator has said why.
            Ok(None) => {}
            Err(reason) => resolved.problems.push(refusal(key, reason)),
        }
    }
    resolved
}

fn literal_v4(key: &ServiceKey) -> Option<Ipv4Addr> {
    match key.vip {
        Vip::Address(IpAddr::V4(address)) => Some(address),
        _ => None,
    }
}

fn address_of(
    key: &ServiceKey,
    own: &Own,
    allocated: &BTreeMap<String, Ipv4Addr>,
) -> Result<Option<Ipv4Addr>, String> {
    match &key.vip {
        Vip::Named(name) => Ok(allocated.get(name).copied()),
        Vip::Address(IpAddr::V4(address)) if own.0.contains(address) => Err(format!(
            "{address} is an address of this host's ports, gateways or NAT: choose another VIP"
        )),
        Vip::Address(IpAddr::V4(address)) if !is_unicast(*address) => Err(format!(
            "{address} is no unicast address: choose another VIP"
        )),
        Vip::Address(IpAddr::V4(address)) => Ok(Some(*address)),
        Vip::Address(IpAddr::V6(_)) => {
            Err("IPv6 VIPs are not balanced yet: use an IPv4 VIP".to_owned())
        }
    }
}

const fn is_unicast(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

fn add(resolved: &mut Resolved, key: &ServiceKey, address: Ipv4Addr, backends: &Backends) {
    let listener = Listener {
        address: (address, key.port).into(),
        protocol: key.protocol,
    };
    let name = match &key.vip {
        Vip::Named(name) => Some(name.clone()),
        Vip::Address(_) => None,
    };
    let usable = backends.iter().filter(|(backend, _)| backend.is_ipv4());
    let backends = usable
        .map(|(address, backend)| (*address, backend.clone()))
        .collect();
    resolved
        .services
        .insert(listener, ResolvedService { name, backends });
}

fn refusal(key: &ServiceKey, reason: String) -> Problem {
    Problem {
        source: SOURCE.to_owned(),
        subject: key.to_string(),
        port_index: None,
        label: key.vip.to_string(),
        reason,
    }
}
