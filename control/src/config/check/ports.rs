//! Checks of `[[ports]]`: names, what each driver needs, MTU, and the ports' own subnets.

use super::Notes;
use crate::config::{Driver, Port};

/// Longest name of a Linux network interface, in bytes (IFNAMSIZ less the final zero).
const INTERFACE_NAME_MAX: usize = 15;
/// From what every IPv4 host must accept (RFC 791) to the usual jumbo frame.
const MTU: std::ops::RangeInclusive<u16> = 576..=9216;

pub(super) fn check(ports: &[Port], notes: &mut Notes<'_>) {
    if ports.is_empty() {
        notes.error(
            "ports",
            "there is no port".to_owned(),
            "expected at least one",
            "add a [[ports]] table, with name, driver and address",
        );
    }
    for (index, port) in ports.iter().enumerate() {
        let at = At { index, notes };
        check_port(port, &ports[..index], at);
    }
}

/// Notes about one port.
struct At<'a, 'b> {
    index: usize,
    notes: &'a mut Notes<'b>,
}

impl At<'_, '_> {
    fn path(&self, key: &str) -> String {
        format!("ports.{}.{key}", self.index)
    }

    fn error(&mut self, key: &str, problem: String, expected: &str, hint: &str) {
        let path = self.path(key);
        self.notes.error(&path, problem, expected, hint);
    }
}

fn check_port(port: &Port, earlier: &[Port], mut at: At<'_, '_>) {
    name(port, earlier, &mut at);
    match port.driver {
        Driver::Tap => tap(port, earlier, &mut at),
        Driver::Vdev | Driver::Pci => device(port, &mut at),
    }
    mtu(port, &mut at);
    subnet(port, earlier, &mut at);
}

fn name(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    if port.name.is_empty() {
        at.error(
            "name",
            "the port's name is empty".to_owned(),
            "expected a name",
            "name it, such as \"fabric\"",
        );
    } else if earlier.iter().any(|other| other.name == port.name) {
        let problem = format!("another port is already called `{}`", port.name);
        at.error(
            "name",
            problem,
            "expected a name of its own",
            "rename one of the two",
        );
    }
}

fn tap(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    if port.device.is_some() {
        foreign(
            "device",
            port,
            "remove it, or use driver = \"vdev\" or \"pci\"",
            at,
        );
    }
    if let Some(bridge) = &port.bridge {
        interface_name("bridge", bridge, at);
    }
    let Some(interface) = &port.interface else {
        let problem = format!("the tap port `{}` has no interface", port.name);
        return at.error(
            "interface",
            problem,
            "expected the key `interface` in this table",
            "add interface = \"dtap0\"",
        );
    };
    interface_name("interface", interface, at);
    if earlier
        .iter()
        .any(|other| other.interface.as_ref() == Some(interface))
    {
        let problem = format!("another port already has the interface `{interface}`");
        at.error(
            "interface",
            problem,
            "expected an interface of its own",
            "rename one of the two",
        );
    }
}

fn device(port: &Port, at: &mut At<'_, '_>) {
    if port.device.as_deref().is_none_or(str::is_empty) {
        let problem = format!("the {} port `{}` has no device", port.driver, port.name);
        let hint = match port.driver {
            Driver::Pci => "add device = \"0000:03:00.0\"",
            _ => "add device = \"net_af_packet0,iface=eth1\"",
        };
        at.error(
            "device",
            problem,
            "expected the key `device` in this table",
            hint,
        );
    }
    let hint = "remove it, or use driver = \"tap\"";
    if port.interface.is_some() {
        foreign("interface", port, hint, at);
    }
    if port.bridge.is_some() {
        foreign("bridge", port, hint, at);
    }
}

/// Notes a key that the port's driver has no use for.
fn foreign(key: &str, port: &Port, hint: &str, at: &mut At<'_, '_>) {
    let problem = format!("a {} port has no {key}", port.driver);
    at.error(key, problem, "not for this driver", hint);
}

fn interface_name(key: &str, name: &str, at: &mut At<'_, '_>) {
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
    if name.len() > INTERFACE_NAME_MAX {
        let problem = format!("`{name}` is too long for a network interface");
        at.error(
            key,
            problem,
            "expected at most 15 bytes",
            "use a shorter name",
        );
    } else if matches!(name, "" | "." | "..") || !name.chars().all(legal) {
        let problem = format!("`{name}` cannot be a network interface's name");
        at.error(
            key,
            problem,
            "expected a name without spaces, / and :",
            "use a name such as \"dtap0\"",
        );
    }
}

fn mtu(port: &Port, at: &mut At<'_, '_>) {
    if !MTU.contains(&port.mtu) {
        let problem = format!("an MTU of {} is out of range", port.mtu);
        at.error(
            "mtu",
            problem,
            "expected 576 to 9216",
            "use 1500, or what the network's switches carry",
        );
    }
}

fn subnet(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    let (address, subnet) = (port.address.address(), port.address.subnet());
    if !port.address.is_host(address) {
        let problem = format!("{address} is not a host's address in {subnet}");
        at.error(
            "address",
            problem,
            "expected a host's address",
            "use another address of the subnet",
        );
    }
    if let Some(gateway) = port.gateway {
        if !port.address.is_host(gateway) {
            let problem =
                format!("the gateway {gateway} is not a host in the port's subnet {subnet}");
            at.error(
                "gateway",
                problem,
                "expected a host in the subnet",
                "use the router's address in that subnet",
            );
        } else if gateway == address {
            let problem = format!("the gateway {gateway} is the port's own address");
            at.error(
                "gateway",
                problem,
                "expected another host",
                "use the router's address, or remove the key",
            );
        }
    }
    if let Some(other) = earlier
        .iter()
        .find(|other| other.address.address() == address)
    {
        let problem = format!(
            "the port `{}` already has the address {address}",
            other.name
        );
        at.error(
            "address",
            problem,
            "expected an address of its own",
            "use another address",
        );
    }
}
