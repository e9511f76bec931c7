//! The sections about packets: ports, source address translation, VIPs and idle times.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::Deserialize;

use super::value::{AddressRange, InterfaceAddress, Period, PortRange, VlanId, Zone};

/// How DPDK reaches a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A TAP device that Viaduct makes: tests and trials, no hardware.
    Tap,
    /// A DPDK virtual device.
    Vdev,
    /// A PCI device.
    Pci,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tap => "tap",
            Self::Vdev => "vdev",
            Self::Pci => "pci",
        })
    }
}

/// `[[ports]]`: one network port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name in metrics, logs and the API (startup-only).
    pub name: String,
    /// How DPDK reaches it (startup-only).
    pub driver: Driver,
    /// Name of the kernel side; `tap` only, and required there (startup-only).
    pub interface: Option<String>,
    /// Bridge that the kernel side joins; `tap` only (startup-only).
    pub bridge: Option<String>,
    /// DPDK device string; `vdev` and `pci` only, and required there (startup-only).
    pub device: Option<String>,
    /// The port's own IPv4 address and subnet (startup-only).
    pub address: InterfaceAddress,
    /// Next hop for what is outside the subnet (startup-only).
    pub gateway: Option<Ipv4Addr>,
    /// Largest IP packet in bytes, 576 to 9216 (startup-only). Default 1500.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// VLAN that the port's frames are tagged with (startup-only).
    pub vlan: Option<VlanId>,
}

/// Ethernet's standard MTU.
const fn default_mtu() -> u16 {
    1500
}

/// `[nat]`: source addresses and ports towards backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nat {
    /// Source addresses of either family; Viaduct answers ARP and neighbor solicitations for them
    /// (startup-only). Services in `nat` mode need one of their family.
    pub addresses: Vec<IpAddr>,
    /// Source ports, shared out among the workers (startup-only). Default `1024-65535`.
    pub ports: PortRange,
}

/// `[vips]`: what named VIPs get.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vips {
    /// Where addresses of named VIPs come from (startup-only). Default is DC/OS's range,
    /// `11.0.0.0-11.255.255.255`.
    pub pool: AddressRange,
    /// Where IPv6 addresses of named VIPs come from, which those have that have IPv6 backends
    /// (startup-only). Default is DC/OS's range, `fd01:c::/64`.
    pub pool6: AddressRange<Ipv6Addr>,
    /// Zone of their DNS names (startup-only). Default is DC/OS's, `l4lb.thisdcos.directory`.
    pub zone: Zone,
}

impl Default for Vips {
    fn default() -> Self {
        Self {
            pool: AddressRange::DCOS,
            pool6: AddressRange::DCOS6,
            zone: Zone::dcos(),
        }
    }
}

/// `[timeouts]`: how long a flow may be idle. All startup-only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// TCP before both sides have acknowledged (startup-only). Default 30 s.
    pub tcp_handshake: Period,
    /// TCP after the handshake (startup-only). Default 2 h 15 min: longer than the usual
    /// keepalive of two hours, so that an idle connection with keepalive stays.
    pub tcp_established: Period,
    /// TCP after the first FIN; a RST ends the flow at once (startup-only). Default 60 s.
    pub tcp_closing: Period,
    /// UDP (startup-only). Default 5 min.
    pub udp: Period,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_handshake: Period::new(Duration::from_secs(30)),
            tcp_established: Period::new(Duration::from_secs(2 * 3600 + 15 * 60)),
            tcp_closing: Period::new(Duration::from_secs(60)),
            udp: Period::new(Duration::from_secs(5 * 60)),
        }
    }
}
