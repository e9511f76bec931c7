//! What control decides before the data plane starts. None of it changes while it runs.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::dpdk::{EalOptions, Memory};
use crate::network::{PortRange, SnatAddresses};
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

/// A port's place in the IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceSettings {
    /// Its own address.
    pub address: Ipv4Addr,
    /// Length of its subnet's prefix: 0 to 32.
    pub prefix_len: u8,
    /// The router for other subnets.
    pub gateway: Option<Ipv4Addr>,
    /// The tag of its frames.
    pub vlan: Option<VlanId>,
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
    /// Its address and subnet.
    pub interface: InterfaceSettings,
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
        let queues = (self.worker_cores.len() * self.ports.len()).max(1) as u32;
        let share = self.mbufs / 4 / queues;
        // A power of two suits every driver.
        (1u32 << share.clamp(64, DESCRIPTORS).ilog2()) as u16
    }
}
