//! Gives every service its addresses, and refuses those that cannot have one.
//!
//! A named VIP is up to two services, one for each IP version that its backends have; an IP VIP is
//! one. In modes that wrap packets each has all the backends, in others those of its own version.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use dataplane::Protocol;
use dataplane::table::Mode;

use super::SOURCE;
use super::site::{Missing, Site};
use super::version::Version;
use crate::desired::{Problem, Service, ServiceKey, Snapshot, Vip};
use crate::vip::allocator::{Allocation, Allocator, Allocators};
use crate::vip::pool::PoolAddress;

/// Backends that a problem names.
const NAMED: usize = 3;

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
    /// Its options, and those of its backends that packets to the address can reach.
    pub service: Service,
}

/// All services that can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// By listener.
    pub services: BTreeMap<Listener, ResolvedService>,
    /// What was refused, with the sources' own problems.
    pub problems: Vec<Problem>,
}

/// Resolves `desired`, allocating addresses to names.
pub fn resolve(desired: &Snapshot, site: &Site, allocators: &mut Allocators) -> Resolved {
    let mut resolved = Resolved {
        problems: desired.problems.clone(),
        ..Resolved::default()
    };
    let (parts, refused) = parts(desired, site, allocators);
    resolved.problems.extend(refused);
    let addresses = Addresses {
        ipv4: allocate(&mut allocators.ipv4, &parts, Version::V4, desired, site),
        ipv6: allocate(&mut allocators.ipv6, &parts, Version::V6, desired, site),
    };
    resolved
        .problems
        .extend(addresses.ipv4.problems.iter().cloned());
    resolved
        .problems
        .extend(addresses.ipv6.problems.iter().cloned());
    for part in &parts {
        match part.address(&addresses, site) {
            Ok(Some(address)) => part.add_to(&mut resolved, address, site),
            // The allocator has said why.
            Ok(None) => {}
            Err(reason) => resolved.problems.push(part.refused(reason)),
        }
    }
    resolved
}

/// What both allocators have given.
struct Addresses {
    ipv4: Allocation<std::net::Ipv4Addr>,
    ipv6: Allocation<std::net::Ipv6Addr>,
}

/// A service in one IP version.
#[derive(Clone, Copy)]
struct Part<'a> {
    key: &'a ServiceKey,
    service: &'a Service,
    version: Version,
    mode: Mode,
}

/// The parts that this host can serve, and why it cannot serve the others.
fn parts<'a>(
    desired: &'a Snapshot,
    site: &Site,
    allocators: &Allocators,
) -> (Vec<Part<'a>>, Vec<Problem>) {
    let (mut parts, mut problems) = (Vec::new(), Vec::new());
    for (key, service) in &desired.services {
        let mode = service.options.mode.unwrap_or(site.mode);
        let versions = match &key.vip {
            Vip::Named(name) => versions(name, service, mode, site, allocators),
            Vip::Address(address) => vec![Version::of(*address)],
        };
        for version in versions {
            let part = Part {
                key,
                service,
                version,
                mode,
            };
            match site.missing(mode, version) {
                None => parts.push(part),
                Some(missing) => problems.push(part.not_served(missing)),
            }
        }
    }
    (parts, problems)
}

/// The versions in which a name is served: those of its backends. Without backends it stays where
/// it was, so that clients that still know an address are told that nobody is there.
fn versions(
    name: &str,
    service: &Service,
    mode: Mode,
    site: &Site,
    allocators: &Allocators,
) -> Vec<Version> {
    let those = |wanted: &dyn Fn(Version) -> bool| -> Vec<_> {
        Version::BOTH.into_iter().filter(|v| wanted(*v)).collect()
    };
    let has = |version| {
        service
            .backends
            .keys()
            .any(|b| Version::of(b.ip()) == version)
    };
    let of_backends = those(&has);
    if !of_backends.is_empty() {
        return of_backends;
    }
    let served = those(&|version| site.missing(mode, version).is_none());
    let held = served.iter().copied().filter(|version| match version {
        Version::V4 => allocators.ipv4.held().contains_key(name),
        Version::V6 => allocators.ipv6.held().contains_key(name),
    });
    let held: Vec<_> = held.collect();
    match held.is_empty() {
        true => vec![served.first().copied().unwrap_or(Version::V4)],
        false => held,
    }
}

/// Gives an address to each name that has a part of this version.
fn allocate<A: PoolAddress>(
    allocator: &mut Allocator<A>,
    parts: &[Part<'_>],
    version: Version,
    desired: &Snapshot,
    site: &Site,
) -> Allocation<A> {
    let of_version = parts.iter().filter(|part| part.version == version);
    let names = of_version.filter_map(|part| part.name().cloned()).collect();
    let literal = desired.services.keys().filter_map(|key| match key.vip {
        Vip::Address(address) => Some(address),
        Vip::Named(_) => None,
    });
    let reserved = literal.chain(site.own.iter().copied());
    let reserved = reserved.filter_map(A::from_ip).collect();
    allocator.reconcile(&names, &reserved)
}

impl Part<'_> {
    fn name(&self) -> Option<&String> {
        match &self.key.vip {
            Vip::Named(name) => Some(name),
            Vip::Address(_) => None,
        }
    }

    fn address(&self, given: &Addresses, site: &Site) -> Result<Option<IpAddr>, String> {
        match &self.key.vip {
            Vip::Named(name) => Ok(match self.version {
                Version::V4 => given.ipv4.addresses.get(name).map(|a| IpAddr::V4(*a)),
                Version::V6 => given.ipv6.addresses.get(name).map(|a| IpAddr::V6(*a)),
            }),
            Vip::Address(address) if site.own.contains(address) => Err(format!(
                "{address} is an address of this host's ports, gateways or NAT: choose another VIP"
            )),
            Vip::Address(address) if !is_unicast(*address) => Err(format!(
                "{address} is no unicast address: choose another VIP"
            )),
            Vip::Address(address) => Ok(Some(*address)),
        }
    }

    fn add_to(&self, resolved: &mut Resolved, address: IpAddr, site: &Site) {
        let reachable = |backend: &SocketAddr| {
            let version = Version::of(backend.ip());
            version == self.version || self.mode.mixes_families() && site.reach(version).port
        };
        let mut service = self.service.clone();
        service.backends.retain(|backend, _| reachable(backend));
        let name = self.name().cloned();
        // The others are backends of the name's other part.
        if name.is_none() && service.backends.len() < self.service.backends.len() {
            let left_out = self.service.backends.keys().filter(|b| !reachable(b));
            resolved
                .problems
                .push(self.left_out(&left_out.collect::<Vec<_>>()));
        }
        let listener = Listener {
            address: (address, self.key.port).into(),
            protocol: self.key.protocol,
        };
        let service = ResolvedService { name, service };
        resolved.services.insert(listener, service);
    }

    fn left_out(&self, backends: &[&SocketAddr]) -> Problem {
        let names = backends.iter().take(NAMED).map(ToString::to_string);
        let names = names.collect::<Vec<_>>().join(", ");
        let more = match backends.len() > NAMED {
            true => ", …",
            false => "",
        };
        let (count, mode, version) = (backends.len(), self.mode.name(), self.version);
        let advice = match self.mode.mixes_families() {
            true => "give a port an address of their IP version".to_owned(),
            false => format!("list {version} backends, or choose the mode `ipip` or `gue`"),
        };
        self.problem(
            "backends",
            format!(
                "{count} of the backends cannot be reached from an {version} VIP in `{mode}` mode \
                 ({names}{more}): {advice}"
            ),
        )
    }

    fn not_served(&self, missing: Missing) -> Problem {
        let version = self.version;
        let (label, reason) = match missing {
            Missing::Port => (
                "ports.address",
                format!("no port has an {version} address: give one to a port"),
            ),
            Missing::SourceAddress => (
                "nat.addresses",
                format!(
                    "`nat` mode needs an {version} source address: add one to `nat.addresses`, or choose another mode"
                ),
            ),
        };
        self.problem(
            label,
            format!("the service is not served over {version}, because {reason}"),
        )
    }

    fn refused(&self, reason: String) -> Problem {
        self.problem(&self.key.vip.to_string(), reason)
    }

    fn problem(&self, label: &str, reason: String) -> Problem {
        Problem {
            source: SOURCE.to_owned(),
            subject: self.key.to_string(),
            port_index: None,
            label: label.to_owned(),
            reason,
        }
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let first = address.octets()[0];
            first != 0 && first != 127 && first < 224
        }
        IpAddr::V6(address) => {
            let special =
                address.is_unspecified() || address.is_loopback() || address.is_multicast();
            // Link-local addresses mean something on one link only.
            !special && !address.is_unicast_link_local() && address.to_ipv4_mapped().is_none()
        }
    }
}
