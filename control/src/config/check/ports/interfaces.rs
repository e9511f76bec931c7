//! The ports' places in the IP network: addresses, routers, tags and static neighbors.

use std::net::IpAddr;

use super::At;
use crate::config::value::{HostAddress, InterfaceAddress};
use crate::config::{Interface, Port};

pub(super) fn check(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    if port.interfaces().next().is_none() {
        let problem = format!("the port `{}` has no address", port.name);
        let hint = "add address = \"10.99.0.2/24\", or [[ports.vlans]] with one";
        at.error(
            "address",
            problem,
            "expected the key `address` in this table",
            hint,
        );
    }
    for (place, interface) in port.interfaces().enumerate() {
        let before: Vec<Interface<'_>> = port.interfaces().take(place).collect();
        tag(&interface, &before, at);
        addresses(&interface, &before, earlier, at);
        gateways(&interface, at);
        neighbors(&interface, at);
    }
}

impl Interface<'_> {
    /// The path of one of its keys, below its port.
    fn key(&self, key: &str) -> String {
        match self.index {
            None => key.to_owned(),
            Some(index) => format!("vlans.{index}.{key}"),
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        self.address
            .as_slice()
            .iter()
            .any(|own| own.address() == address)
    }

    fn reaches(&self, address: IpAddr) -> bool {
        self.address
            .as_slice()
            .iter()
            .any(|own| own.is_host(address))
    }

    fn subnets(&self) -> String {
        let subnets = self
            .address
            .as_slice()
            .iter()
            .map(|own| own.subnet().to_string());
        subnets.collect::<Vec<_>>().join(", ")
    }
}

fn tag(interface: &Interface<'_>, before: &[Interface<'_>], at: &mut At<'_, '_>) {
    if before.iter().any(|other| other.vlan == interface.vlan) {
        let tag = interface.vlan.map(|vlan| vlan.get()).unwrap_or_default();
        let problem = format!("another interface of the port already has VLAN {tag}");
        at.error(
            &interface.key("id"),
            problem,
            "expected a VLAN of its own",
            "use another id, or remove one of the two",
        );
    }
}

fn addresses(
    interface: &Interface<'_>,
    before: &[Interface<'_>],
    earlier: &[Port],
    at: &mut At<'_, '_>,
) {
    let all = interface.address.as_slice();
    if all.is_empty() {
        let problem = "the list of addresses is empty".to_owned();
        at.error(
            &interface.key("address"),
            problem,
            "expected at least one",
            "such as \"10.99.0.2/24\"",
        );
    }
    for (index, own) in all.iter().enumerate() {
        let key = interface.key(&format!("address.{index}"));
        second_of_family(
            &key,
            "address",
            own.address(),
            all[..index].iter().map(InterfaceAddress::address),
            at,
        );
        host(&key, own, at);
        let others = earlier
            .iter()
            .flat_map(|port| port.interfaces().map(move |i| (port, i)));
        if let Some((other, _)) = others.into_iter().find(|(_, i)| i.has(own.address())) {
            let problem = format!(
                "the port `{}` already has the address {}",
                other.name,
                own.address()
            );
            at.error(
                &key,
                problem,
                "expected an address of its own",
                "use another address",
            );
        } else if before.iter().any(|i| i.has(own.address())) {
            let problem = format!(
                "another interface of the port already has the address {}",
                own.address()
            );
            at.error(
                &key,
                problem,
                "expected an address of its own",
                "use another address",
            );
        }
    }
}

fn second_of_family(
    key: &str,
    what: &str,
    address: IpAddr,
    mut before: impl Iterator<Item = IpAddr>,
    at: &mut At<'_, '_>,
) {
    if before.any(|other| other.is_ipv4() == address.is_ipv4()) {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let problem = format!("{address} is a second {family} {what}");
        at.error(
            key,
            problem,
            "expected at most one of each family",
            "remove one of the two",
        );
    }
}

fn host(key: &str, own: &InterfaceAddress, at: &mut At<'_, '_>) {
    let (address, subnet) = (own.address(), own.subnet());
    if !own.is_host(address) || unusable(address) {
        let problem = format!("{address} is not a host's address in {subnet}");
        at.error(
            key,
            problem,
            "expected a host's address",
            "use another address of the subnet",
        );
    }
}

/// Whether no interface on a network can have this address.
fn unusable(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback() || address.is_multicast()
}

/// An IPv6 router may be known by its link-local address, as routers are (RFC 4861 section 4.2).
fn gateways(interface: &Interface<'_>, at: &mut At<'_, '_>) {
    let all = interface.gateway.as_slice();
    for (index, gateway) in all.iter().enumerate() {
        let (key, address) = (interface.key(&format!("gateway.{index}")), gateway.get());
        let before = all[..index].iter().map(|other| other.get());
        second_of_family(&key, "gateway", address, before, at);
        let has_family = interface
            .address
            .as_slice()
            .iter()
            .any(|own| own.address().is_ipv4() == address.is_ipv4());
        if interface.has(address) {
            let problem = format!("the gateway {address} is the port's own address");
            at.error(
                &key,
                problem,
                "expected another host",
                "use the router's address, or remove the key",
            );
        } else if !(interface.reaches(address) || has_family && is_link_local(address)) {
            let subnets = interface.subnets();
            let problem =
                format!("the gateway {address} is not a host in the port's subnet {subnets}");
            at.error(
                &key,
                problem,
                "expected a host in the subnet",
                "use the router's address in that subnet",
            );
        }
    }
}

fn neighbors(interface: &Interface<'_>, at: &mut At<'_, '_>) {
    for neighbor in interface.neighbors.keys().copied().map(HostAddress::get) {
        let key = interface.key(&format!("neighbors.{neighbor}"));
        if interface.has(neighbor) {
            let problem = format!("the neighbor {neighbor} is the port's own address");
            at.error(&key, problem, "expected another host", "remove it");
        } else if !interface.reaches(neighbor) && !is_link_local(neighbor) {
            let problem = format!(
                "the neighbor {neighbor} is not a host in the port's subnet {}",
                interface.subnets()
            );
            at.error(
                &key,
                problem,
                "expected a host in the subnet",
                "move it to the interface with its subnet, or remove it",
            );
        }
    }
}

/// fe80::/10 (RFC 4291 section 2.5.6).
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
