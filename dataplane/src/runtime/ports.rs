//! Opens the ports, and their exception ports after them.

use super::settings::{PortSettings, Settings};
use crate::dpdk::{Eal, Mempool, MempoolError, Port, PortError, PortSpec, mempool};
use crate::wire::MacAddr;

/// Buffers that a thread keeps for itself.
const CACHE: u32 = 256;

/// DPDK's TAP driver sends no larger IP packet.
const TAP_MTU: u16 = 1500;

/// The pool of all packet buffers, large enough for the frames of every port.
pub(super) fn open_pool(eal: &Eal, settings: &Settings) -> Result<Mempool, MempoolError> {
    let rooms = settings.ports.iter().map(PortSettings::data_room);
    let room = rooms.max().unwrap_or(mempool::DEFAULT_DATA_ROOM);
    let cache = CACHE.min(settings.mbufs / 8);
    Mempool::new(eal, "packets", settings.mbufs, cache, room, None)
}

/// The ports in the order of the settings, then the exception ports in the order of the ports that
/// have one.
pub(super) fn open(eal: &Eal, settings: &Settings, pool: &Mempool) -> Result<Vec<Port>, PortError> {
    let fabric = settings.ports.iter().map(|port| {
        let spec = PortSpec {
            mtu: port.mtu,
            promiscuous: port.promiscuous,
            multicast: port.has_ipv6(),
            ..spec(settings, &port.name, port.device.name())
        };
        Port::open(eal, &spec, pool)
    });
    let mut ports: Vec<Port> = fabric.collect::<Result<_, _>>()?;
    for (number, port) in settings.ports.iter().enumerate() {
        if let Some(host) = &port.host {
            let mac = MacAddr(ports[number].mac());
            let name = format!("net_tap_host{number}");
            let arguments = format!("iface={},mac={mac}", host.interface);
            let spec = PortSpec {
                mtu: port.mtu.min(TAP_MTU),
                ..spec(settings, &host.interface, &name)
            };
            ports.push(Port::make(eal, &spec, &arguments, pool)?);
        }
    }
    Ok(ports)
}

/// A queue pair for each worker.
fn spec(settings: &Settings, name: &str, device: &str) -> PortSpec {
    let (queues, descriptors) = (settings.worker_cores.len() as u16, settings.descriptors());
    PortSpec {
        rx_queues: queues,
        tx_queues: queues,
        rx_descriptors: descriptors,
        tx_descriptors: descriptors,
        ..PortSpec::new(name, device)
    }
}
