//! The ports' links and their drivers' counters, as metrics.

use prometheus::core::Desc;
use prometheus::proto::MetricFamily;

use super::family::Spec;
use crate::status::PortStatus;

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

pub(super) fn descs() -> impl Iterator<Item = Desc> {
    OF_PORT.iter().map(|(spec, _)| spec.desc())
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
