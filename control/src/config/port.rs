//! `[[ports]]`: network ports, their drivers, and their places in the IP network.
//!
//! The keys of all drivers stand in one table; which of them a driver has, needs and refuses is in
//! [`super::check`], so that all mistakes are reported at once, each at its key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Addresses, Gateways, HostAddress, Mac, Size, VlanId};

/// How DPDK reaches a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// A TAP device that Viaduct makes: tests and trials, no hardware.
    Tap,
    /// An interface of the kernel's by AF_XDP sockets.
    AfXdp,
    /// An interface of the kernel's by AF_PACKET sockets.
    AfPacket,
    /// Capture files, or an interface by libpcap.
    Pcap,
    /// A loop: what is sent comes back.
    Ring,
    /// Packets out of nothing, into nothing.
    Null,
    /// Shared memory with another process, by the memif protocol.
    Memif,
    /// Shared memory with a vhost-user backend, such as a virtual switch.
    VirtioUser,
    /// A PCI device.
    Pci,
    /// Any virtual device of DPDK's.
    Vdev,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tap => "tap",
            Self::AfXdp => "af_xdp",
            Self::AfPacket => "af_packet",
            Self::Pcap => "pcap",
            Self::Ring => "ring",
            Self::Null => "null",
            Self::Memif => "memif",
            Self::VirtioUser => "virtio_user",
            Self::Pci => "pci",
            Self::Vdev => "vdev",
        })
    }
}

/// Which side of a memif opens the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemifRole {
    /// Opens the socket and waits.
    Server,
    /// Connects to it, and owns the memory.
    Client,
}

/// `[[ports]]`: one network port. All startup-only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name in metrics, logs and the API (startup-only).
    pub name: String,
    /// How DPDK reaches it (startup-only).
    pub driver: Driver,
    /// `tap`: name of the kernel side. `af_xdp`, `af_packet`, `pcap`: the kernel's interface (startup-only).
    pub interface: Option<String>,
    /// `tap`: bridge that the kernel side joins (startup-only).
    pub bridge: Option<String>,
    /// `af_xdp`: the interface's first queue that is used (startup-only). Default 0.
    pub queue: Option<u16>,
    /// `af_xdp`: copy packets even where the interface could do without (startup-only). Default false.
    pub force_copy: Option<bool>,
    /// `af_xdp`: packets of a busy poll, 0 for none (startup-only). Default is DPDK's, 64.
    pub busy_budget: Option<u16>,
    /// `af_packet`: bytes that the kernel allocates at a time (startup-only). Default four frames.
    pub block_size: Option<Size>,
    /// `af_packet`: frames in each ring (startup-only). Default 512.
    pub frames: Option<u32>,
    /// `af_packet`: send past the kernel's queueing discipline (startup-only). Default true.
    pub qdisc_bypass: Option<bool>,
    /// `pcap`: capture file that packets come from (startup-only).
    pub rx_file: Option<PathBuf>,
    /// `pcap`: capture file that packets go to (startup-only).
    pub tx_file: Option<PathBuf>,
    /// `pcap`: read `rx_file` again and again (startup-only). Default false.
    pub infinite: Option<bool>,
    /// `null`: bytes of each made-up packet (startup-only). Default 64.
    pub packet_size: Option<u16>,
    /// `memif`: which side opens the socket (startup-only).
    pub role: Option<MemifRole>,
    /// `memif`: path of the socket (startup-only).
    pub socket: Option<PathBuf>,
    /// `memif`: number of the connection on the socket (startup-only). Default 0.
    pub id: Option<u32>,
    /// `memif`: what both sides must know (startup-only).
    pub secret: Option<String>,
    /// `virtio_user`: socket of the vhost-user backend, or /dev/vhost-net (startup-only).
    pub path: Option<PathBuf>,
    /// `tap`, `memif`, `virtio_user`: its Ethernet address (startup-only). Default is made of its IP address.
    pub mac: Option<Mac>,
    /// `pci`: PCI address. `vdev`: DPDK device string (startup-only).
    pub device: Option<String>,
    /// `pci`: arguments of the driver, `key=value,…` (startup-only).
    pub arguments: Option<String>,
    /// The port's own addresses and subnets, one of each family at most (startup-only).
    #[serde(default)]
    pub address: Addresses,
    /// Next hops for what is outside the subnets, one of each family at most (startup-only).
    #[serde(default)]
    pub gateway: Gateways,
    /// Largest IP packet in bytes, 576 to 9216 (startup-only). Default 1500.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// VLAN that the port's frames are tagged with (startup-only).
    pub vlan: Option<VlanId>,
    /// Neighbors that are never asked for their Ethernet address (startup-only).
    #[serde(default)]
    pub neighbors: BTreeMap<HostAddress, Mac>,
    /// Receive frames for any Ethernet address (startup-only). Default false.
    #[serde(default)]
    pub promiscuous: bool,
    /// Further, tagged interfaces on the same port (startup-only).
    #[serde(default)]
    pub vlans: Vec<Vlan>,
    /// Where packets for the host's own stack go (startup-only).
    pub host: Option<HostPort>,
}

/// Ethernet's standard MTU.
const fn default_mtu() -> u16 {
    1500
}

/// `[[ports.vlans]]`: a tagged interface of a port. All startup-only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// The tag of its frames (startup-only).
    pub id: VlanId,
    /// Its own addresses and subnets, one of each family at most (startup-only).
    pub address: Addresses,
    /// Next hops for what is outside the subnets (startup-only).
    #[serde(default)]
    pub gateway: Gateways,
    /// Neighbors that are never asked for their Ethernet address (startup-only).
    #[serde(default)]
    pub neighbors: BTreeMap<HostAddress, Mac>,
}

/// `host = { … }`: the exception port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPort {
    /// Name of the TAP interface that the host's stack gets (startup-only).
    pub interface: String,
}

/// One interface of a port: the port itself, or a VLAN on it.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Its place in [`Port::vlans`]; `None` for the port itself.
    pub index: Option<usize>,
    /// Its tag.
    pub vlan: Option<VlanId>,
    /// Its addresses.
    pub address: &'a Addresses,
    /// Its routers.
    pub gateway: &'a Gateways,
    /// Its static neighbors.
    pub neighbors: &'a BTreeMap<HostAddress, Mac>,
}

impl Port {
    /// Bytes of a frame in an AF_PACKET ring: the largest frame with two tags and CRC, the kernel's header in front, and
    /// rounded up so that four of them are whole pages.
    #[must_use]
    pub fn ring_frame(&self) -> u32 {
        const IN_FRONT: u32 = 66;
        const ETHERNET: u32 = 26;
        (u32::from(self.mtu) + ETHERNET + IN_FRONT)
            .next_multiple_of(1024)
            .max(2048)
    }

    /// Frames of an AF_PACKET ring.
    #[must_use]
    pub fn ring_frames(&self) -> u32 {
        self.frames.unwrap_or(512)
    }

    /// Its interfaces: itself, if it has an address, and its VLANs.
    pub fn interfaces(&self) -> impl Iterator<Item = Interface<'_>> {
        let own = Interface {
            index: None,
            vlan: self.vlan,
            address: &self.address,
            gateway: &self.gateway,
            neighbors: &self.neighbors,
        };
        let own = Some(own).filter(|own| !own.address.as_slice().is_empty());
        own.into_iter()
            .chain(self.vlans.iter().enumerate().map(tagged))
    }
}

fn tagged((index, vlan): (usize, &Vlan)) -> Interface<'_> {
    Interface {
        index: Some(index),
        vlan: Some(vlan.id),
        address: &vlan.address,
        gateway: &vlan.gateway,
        neighbors: &vlan.neighbors,
    }
}
