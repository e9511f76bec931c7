//! What control decides before the data plane starts. None of it changes while it runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::dpdk::{EalOptions, FRAME_OVERHEAD, Memory, XDP_HEADROOM, mempool};
use crate::network::{Pools, PortRange, SnatAddresses};
use crate::table::Refusal;
use crate::wire::MacAddr;
use crate::wire::ethernet::VlanId;

/// Whether DPDK's memory should come from hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hugepages {
    /// If enough are free.
    Auto,
    /// Always; otherwise do not start.
    Require,
    /// Never.
    Never,
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Poll on: lowest latency, a whole core.
    Spin,
    /// Poll on for a moment, then sleep for longer and longer, up to this.
    Sleep(Duration),
}

/// Where a port's device comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A virtual device by its DPDK device string, as `net_tap0,iface=dtap0`.
    Virtual(String),
    /// A NIC by its PCI address, as `0000:01:00.0`, with device arguments if any.
    Pci(String),
}

impl Device {
    /// The whole device string.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Virtual(name) | Self::Pci(name) => name,
        }
    }
}

/// One place in the IP network: a port itself, or a VLAN on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSettings {
    /// The tag of its frames.
    pub vlan: Option<VlanId>,
    /// Its own IPv4 address and the length of its subnet's prefix, 1 to 32.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// Its own IPv6 address and the length of its subnet's prefix, 1 to 128.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// The router for other IPv4 subnets.
    pub gateway_v4: Option<Ipv4Addr>,
    /// The router for other IPv6 subnets.
    pub gateway_v6: Option<Ipv6Addr>,
    /// Neighbors that are not asked for: address and Ethernet address.
    pub neighbors: Vec<(IpAddr, MacAddr)>,
}

/// The exception port: where packets for the host's own stack go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Name of the TAP interface in the host's stack.
    pub interface: String,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSettings {
    /// Its name in configuration, logs and metrics.
    pub name: String,
    /// Its device.
    pub device: Device,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Receive frames for any Ethernet address.
    pub promiscuous: bool,
    /// At least one, with different tags.
    pub interfaces: Vec<InterfaceSettings>,
    /// Its exception port, if it has one.
    pub host: Option<HostSettings>,
}

impl PortSettings {
    /// Whether a frame of the port must pass IPv6 multicast filters.
    pub(super) fn has_ipv6(&self) -> bool {
        self.interfaces
            .iter()
            .any(|interface| interface.ipv6.is_some())
    }

    /// Place of the interface that the host's stack shares: the untagged one, else the first.
    pub(super) fn main_interface(&self) -> usize {
        let untagged = self.interfaces.iter().position(|i| i.vlan.is_none());
        untagged.unwrap_or_default()
    }

    /// Bytes of a packet buffer, headroom included, that hold every frame of the port, whatever its driver keeps for itself.
    pub(super) fn data_room(&self) -> u16 {
        /// The ring frames of AF_PACKET are rounded up, and must fit a buffer.
        const ROUNDED: u16 = 1088;
        let device = self.device.name();
        let kept = match device {
            name if name.starts_with("net_af_xdp") => XDP_HEADROOM,
            name if name.starts_with("net_af_packet") => ROUNDED,
            _ => 0,
        };
        let room = self.mtu + FRAME_OVERHEAD + kept + mempool::HEADROOM;
        room.max(mempool::DEFAULT_DATA_ROOM)
    }
}

/// Everything that the data plane is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Unique among the DPDK processes of the host.
    pub file_prefix: String,
    /// CPU of the calling thread and EAL's helpers.
    pub control_core: usize,
    /// One worker on each of these CPUs; at least one, at most 255.
    pub worker_cores: Vec<usize>,
    /// What workers do when idle.
    pub idle: Idle,
    /// Capacity of each worker's flow table.
    pub flows: usize,
    /// How many of them may be TCP connections whose handshake is not complete, on each worker.
    pub half_open: usize,
    /// Backend slots that are counted.
    pub backend_slots: usize,
    /// Use of hugepages.
    pub hugepages: Hugepages,
    /// DPDK's memory, in MiB.
    pub memory_mib: u32,
    /// Packet buffers.
    pub mbufs: u32,
    /// At least one port.
    pub ports: Vec<PortSettings>,
    /// Source addresses for `nat` mode.
    pub snat: SnatAddresses,
    /// Their ports, at least one per worker.
    pub snat_ports: PortRange,
    /// Where named VIPs have their addresses.
    pub pools: Pools,
    /// How clients are told that a VIP, or an address of the pools, has no such service.
    pub refusal: Refusal,
    /// Destination port of Generic UDP Encapsulation.
    pub gue_port: u16,
    /// Further EAL arguments from the operator.
    pub eal_arguments: Vec<String>,
}

/// Descriptors of a queue, where memory allows.
const DESCRIPTORS: u32 = 1024;

impl Settings {
    pub(super) fn eal_options(&self, memory: Memory) -> EalOptions {
        let devices = |wanted: fn(&Device) -> Option<&String>| {
            self.ports
                .iter()
                .filter_map(|port| wanted(&port.device))
                .cloned()
                .collect()
        };
        EalOptions {
            file_prefix: self.file_prefix.clone(),
            main_core: self.control_core as u32,
            memory,
            vdevs: devices(|device| match device {
                Device::Virtual(name) => Some(name),
                Device::Pci(_) => None,
            }),
            pci: devices(|device| match device {
                Device::Pci(name) => Some(name),
                Device::Virtual(_) => None,
            }),
            extra: self.eal_arguments.clone(),
        }
    }

    /// Descriptors of each queue: at most a quarter of all buffers may lie in receive queues, so
    /// that there are always buffers for packets in flight.
    pub(super) fn descriptors(&self) -> u16 {
        let hosts = self.ports.iter().filter(|port| port.host.is_some());
        let ports = self.ports.len() + hosts.count();
        let queues = (self.worker_cores.len() * ports).max(1) as u32;
        let share = self.mbufs / 4 / queues;
        // A power of two suits every driver.
        (1u32 << share.clamp(64, DESCRIPTORS).ilog2()) as u16
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two workers on these ports.
    pub(in super::super) fn settings(ports: Vec<PortSettings>) -> Settings {
        Settings {
            file_prefix: "viaduct".into(),
            control_core: 0,
            worker_cores: vec![1, 2],
            idle: Idle::Spin,
            flows: 1,
            half_open: 1,
            backend_slots: 1,
            hugepages: Hugepages::Never,
            memory_mib: 64,
            mbufs: 8192,
            ports,
            snat: SnatAddresses::default(),
            snat_ports: PortRange {
                first: 1024,
                last: 65535,
            },
            pools: Pools::default(),
            refusal: Refusal::default(),
            gue_port: 6080,
            eal_arguments: Vec::new(),
        }
    }

    pub(in super::super) fn port(device: &str, mtu: u16) -> PortSettings {
        PortSettings {
            name: "fabric".into(),
            device: Device::Virtual(device.into()),
            mtu,
            promiscuous: false,
            interfaces: vec![InterfaceSettings::default()],
            host: None,
        }
    }

    #[test]
    fn buffers_hold_the_largest_frame_and_what_the_driver_keeps() {
        let usual = mempool::DEFAULT_DATA_ROOM;
        assert_eq!(port("net_tap0,iface=dtap0", 1500).data_room(), usual);
        assert_eq!(port("net_af_xdp0,iface=eth1", 1500).data_room(), usual);
        let jumbo = 9000 + FRAME_OVERHEAD + mempool::HEADROOM;
        assert_eq!(port("net_tap0,iface=dtap0", 9000).data_room(), jumbo);
        assert!(port("net_af_packet0,iface=eth1", 9000).data_room() > jumbo);
        let xdp = port("net_af_xdp0,iface=eth1", 3000).data_room();
        assert_eq!(xdp, port("net_tap0", 3000).data_room() + XDP_HEADROOM);
    }

    #[test]
    fn exception_ports_have_queues_too() {
        let mut ports = vec![port("net_tap0,iface=dtap0", 1500)];
        let without = settings(ports.clone()).descriptors();
        ports[0].host = Some(HostSettings {
            interface: "vdhost0".into(),
        });
        assert_eq!(settings(ports).descriptors(), without / 2);
    }
}
