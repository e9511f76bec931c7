//! Checks of `[[ports]]`: names, what each driver needs, MTU, and the ports' own subnets.

mod interfaces;
mod keys;
mod values;

use super::Notes;
use crate::config::{Config, Driver, Port};

/// Longest name of a Linux network interface, in bytes (IFNAMSIZ less the final zero).
const INTERFACE_NAME_MAX: usize = 15;
/// From what every IPv4 host must accept (RFC 791) to the usual jumbo frame.
const MTU: std::ops::RangeInclusive<u16> = 576..=9216;

/// DPDK's TAP driver sends no frame above 1522 bytes.
const TAP_MTU: u16 = 1500;
/// A packet buffer with what DPDK and the kernel put in front must fit a page of memory (XDP_UMEM_REG).
const XDP_MTU: u16 = 3430;
/// What every IPv6 link must carry (RFC 8200 section 5).
const IPV6_MTU: u16 = 1280;

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    let ports = &config.ports;
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
        check_port(config, port, &ports[..index], at);
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

fn check_port(config: &Config, port: &Port, earlier: &[Port], mut at: At<'_, '_>) {
    name(port, earlier, &mut at);
    keys::check(port, earlier, &mut at);
    values::check(port, &mut at);
    queues(config, port, &mut at);
    mtu(config, port, &mut at);
    interfaces::check(port, earlier, &mut at);
    host(config, port, &mut at);
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

/// A capture file or interface cannot be shared out among workers.
fn queues(config: &Config, port: &Port, at: &mut At<'_, '_>) {
    let workers = config.workers.cores.count();
    if port.driver == Driver::Pcap && workers > 1 {
        let problem = format!("a pcap port has one queue, and there are {workers} workers");
        let hint = "give workers.cores one CPU, or use driver = \"af_packet\"";
        at.error("driver", problem, "expected one worker", hint);
    }
}

fn mtu(config: &Config, port: &Port, at: &mut At<'_, '_>) {
    let mtu = port.mtu;
    let wrong = |at: &mut At<'_, '_>, problem: String, expected: &str, hint: &str| {
        at.error("mtu", problem, expected, hint);
    };
    let has_ipv6 = port.interfaces().any(|i| i.address.v6().is_some());
    let xdp = config
        .ports
        .iter()
        .find(|port| port.driver == Driver::AfXdp);
    if !MTU.contains(&mtu) {
        let problem = format!("an MTU of {mtu} is out of range");
        let hint = "use 1500, or what the network's switches carry";
        wrong(at, problem, "expected 576 to 9216", hint);
    } else if has_ipv6 && mtu < IPV6_MTU {
        let problem = format!("an MTU of {mtu} is too small for IPv6");
        wrong(
            at,
            problem,
            "expected at least 1280",
            "use 1500, or remove the IPv6 address",
        );
    } else if port.driver == Driver::Tap && mtu > TAP_MTU {
        let problem = format!("a tap port cannot have an MTU of {mtu}");
        let hint = "use 1500; for jumbo frames without hardware use driver = \"af_packet\" on a veth interface";
        wrong(at, problem, "expected at most 1500", hint);
    } else if let Some(xdp) = xdp.filter(|_| mtu > XDP_MTU) {
        let name = &xdp.name;
        let problem =
            format!("an MTU of {mtu} makes packet buffers too large for the af_xdp port `{name}`");
        let hint =
            "lower it, or use driver = \"af_packet\" there: all ports share the packet buffers";
        wrong(at, problem, "expected at most 3430", hint);
    }
}

/// The exception port's interface must be free: no other port's, and no other exception port's.
fn host(config: &Config, port: &Port, at: &mut At<'_, '_>) {
    let Some(host) = &port.host else {
        return;
    };
    let name = &host.interface;
    interface_name("host.interface", name, at);
    let of_port = |other: &Port| other.interface.as_ref() == Some(name);
    let of_host = |other: &Port| {
        other
            .host
            .as_ref()
            .is_some_and(|host| host.interface == *name)
    };
    let before = config.ports.iter().take(at.index);
    if config.ports.iter().any(of_port) || before.into_iter().any(of_host) {
        let problem = format!("the interface `{name}` is used twice");
        let hint = "name it differently, such as \"vdhost1\"";
        at.error(
            "host.interface",
            problem,
            "expected an interface of its own",
            hint,
        );
    }
}
