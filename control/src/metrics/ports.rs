//! The ports' links, their drivers' counters and their addresses, as metrics.

use prometheus::core::Desc;
use prometheus::proto::MetricFamily;

use super::family::Spec;
use crate::status::{AddressStatus, PortStatus};

const PORT: &[&str] = &["port"];

type OfPort = fn(&PortStatus) -> Option<u64>;

const OF_PORT: [(Spec, OfPort); 6] = [
    (
        Spec::gauge(
            "viaduct_port_up",
            PORT,
            "1 if the port's link is up; absent if the driver does not tell.",
        ),
        |port| port.up.map(u64::from),
    ),
    (
        Spec::gauge(
            "viaduct_port_speed_bits",
            PORT,
            "The link's bits per second by the driver's word; virtual drivers make one up.",
        ),
        |port| port.speed_bits,
    ),
    (
        Spec::counter(
            "viaduct_port_rx_missed_total",
            PORT,
            "Packets lost by the port because no worker took them in time.",
        ),
        |port| Some(port.rx_missed_total),
    ),
    (
        Spec::counter(
            "viaduct_port_rx_errors_total",
            PORT,
            "Packets that the port received in error.",
        ),
        |port| Some(port.rx_errors_total),
    ),
    (
        Spec::counter(
            "viaduct_port_rx_no_buffer_total",
            PORT,
            "Packets lost by the port for want of packet buffers (memory.mbufs).",
        ),
        |port| Some(port.rx_no_buffer_total),
    ),
    (
        Spec::counter(
            "viaduct_port_tx_errors_total",
            PORT,
            "Packets that the port could not send.",
        ),
        |port| Some(port.tx_errors_total),
    ),
];

const ADDRESS: &[&str] = &["port", "vlan", "address"];

type OfAddress = fn(&AddressStatus) -> u64;

const OF_ADDRESS: [(Spec, OfAddress); 2] = [
    (
        Spec::gauge(
            "viaduct_address_duplicate",
            ADDRESS,
            "1 if another station has this address of Viaduct's, which does not answer for it then.",
        ),
        |own| u64::from(own.duplicate),
    ),
    (
        Spec::counter(
            "viaduct_address_conflicts_total",
            ADDRESS,
            "How often another station has said that it has this address of Viaduct's.",
        ),
        |own| own.conflicts_total,
    ),
];

pub(super) fn descs() -> impl Iterator<Item = Desc> {
    let of_port = OF_PORT.iter().map(|(spec, _)| spec.desc());
    of_port.chain(OF_ADDRESS.iter().map(|(spec, _)| spec.desc()))
}

pub(super) fn address_families(addresses: &[AddressStatus]) -> Vec<MetricFamily> {
    let vlans: Vec<_> = addresses.iter().map(vlan_of).collect();
    let family = |(spec, value): &(Spec, OfAddress)| {
        let samples = addresses.iter().zip(&vlans).map(|(own, vlan)| {
            let labels = vec![own.port.as_str(), vlan.as_str(), own.address.as_str()];
            (labels, value(own))
        });
        spec.family(samples)
    };
    OF_ADDRESS.iter().filter_map(family).collect()
}

/// Empty for an untagged interface, as Prometheus has it for labels that are not there.
fn vlan_of(own: &AddressStatus) -> String {
    own.vlan.map(|vlan| vlan.to_string()).unwrap_or_default()
}

pub(super) fn families(ports: &[PortStatus]) -> Vec<MetricFamily> {
    let family = |(spec, value): &(Spec, OfPort)| {
        let sample = |port| Some((vec![name_of(port)], value(port)?));
        spec.family(ports.iter().filter_map(sample))
    };
    OF_PORT.iter().filter_map(family).collect()
}

fn name_of(port: &PortStatus) -> &str {
    &port.name
}
