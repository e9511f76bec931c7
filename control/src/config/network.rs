//! The sections about packets: source address translation, VIPs and idle times.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use serde::Deserialize;

use super::value::{AddressRange, Period, PortRange, Zone};

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
