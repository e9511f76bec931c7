//! How a service's packets get to its backends, and what each way asks of a backend's host.
//!
//! | mode      | the host gets                                                      |
//! |-----------|--------------------------------------------------------------------|
//! | `nat`     | nothing                                                            |
//! | `gateway` | its way to the clients through Viaduct                             |
//! | `dsr`     | the VIP on loopback, never spoken of in ARP                        |
//! | `ipip`    | the VIP on loopback, and an end of the tunnel                      |
//! | `gue`     | the same                                                           |

use std::fmt;
use std::net::IpAddr;

use crate::addressing::{Family, Subnet};
use crate::fabric::{Fabric, Host, VIADUCT_NUMBER};
use crate::settings::Settings;
use crate::tunnel::decap::{Decap, Received};
use crate::two_arm;

/// A service's `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Full NAT.
    Nat,
    /// Destination NAT.
    Gateway,
    /// Direct return on one segment.
    Dsr,
    /// IP in IP.
    Ipip,
    /// UDP encapsulation.
    Gue,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Nat, Self::Gateway, Self::Dsr, Self::Ipip, Self::Gue];

    /// Whether packets reach a backend with the VIP as their destination.
    #[must_use]
    pub const fn delivers_to_vip(self) -> bool {
        matches!(self, Self::Dsr | Self::Ipip | Self::Gue)
    }

    /// Whether a backend sees the client's address.
    #[must_use]
    pub const fn keeps_client_address(self) -> bool {
        !matches!(self, Self::Nat)
    }

    /// Whether Viaduct sees the replies.
    #[must_use]
    pub const fn sees_replies(self) -> bool {
        matches!(self, Self::Nat | Self::Gateway)
    }

    /// Whether packets travel in an outer header.
    #[must_use]
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::Gateway => "gateway",
            Self::Dsr => "dsr",
            Self::Ipip => "ipip",
            Self::Gue => "gue",
        })
    }
}

/// A host that is ready to be a backend of services in one mode.
#[derive(Debug)]
pub struct Prepared {
    /// Where its programs listen: its own addresses, or the VIPs.
    pub listen: Vec<IpAddr>,
    decap: Option<Decap>,
}

impl Prepared {
    /// What the tunnel's end has received so far; nothing in modes that have no tunnel.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.decap.as_ref().map(Decap::received).unwrap_or_default()
    }
}

/// Hosts to be the backends of services in one mode: the fabric's agents, or for a gateway, which has
/// to be on the way back to the clients, as many on the second bridge.
#[must_use]
pub fn backends(fabric: &Fabric, mode: Mode) -> Vec<Host> {
    match mode {
        Mode::Gateway => two_arm::agents(fabric, fabric.agents.len() as u8),
        _ => fabric.agents.clone(),
    }
}

/// What Viaduct needs for [`backends`].
#[must_use]
pub fn settings(settings: Settings, mode: Mode) -> Settings {
    match mode {
        Mode::Gateway => settings.second_port(),
        _ => settings,
    }
}

/// Makes `host` ready to be a backend of services with these VIPs.
///
/// # Panics
/// A command fails, or the tunnel's end does not start.
#[must_use]
pub fn prepare(fabric: &Fabric, host: &Host, mode: Mode, vips: &[IpAddr]) -> Prepared {
    if mode == Mode::Gateway && is_on(fabric, host) {
        return_through_viaduct(fabric, host);
    }
    if mode == Mode::Dsr {
        keep_silent_about_loopback(host);
    }
    if mode.delivers_to_vip() {
        own_vips(host, vips);
    }
    Prepared {
        listen: if mode.delivers_to_vip() {
            vips.to_vec()
        } else {
            host.addresses()
        },
        decap: mode.is_tunnel().then(|| Decap::start(fabric, host)),
    }
}

/// Hosts elsewhere have a router that knows the way.
fn is_on(fabric: &Fabric, host: &Host) -> bool {
    fabric.agents.iter().any(|agent| agent.name == host.name)
}

/// Clients on the agent's own segment need a route each: on a real network they are elsewhere,
/// and the default route is enough.
fn return_through_viaduct(fabric: &Fabric, host: &Host) {
    for &family in host.families() {
        let viaduct = Subnet::FABRIC.at(family, VIADUCT_NUMBER);
        let replace = |to: &str| {
            host.namespace
                .ip(&format!("route replace {to} via {viaduct}"))
        };
        replace("default");
        for client in &fabric.clients {
            replace(&format!("{}/{}", client.at(family), family.bits()));
        }
        if host.namespace.has_route(&Subnet::FAR.cidr(family)) {
            replace(&Subnet::FAR.cidr(family));
        }
    }
    // Viaduct and the clients share a segment here, and a redirect would take it out of the path.
    host.namespace
        .sysctl("net.ipv4.conf.all.accept_redirects", 0);
    host.namespace
        .sysctl("net.ipv4.conf.eth0.accept_redirects", 0);
}

/// Answers ARP only for what the asked interface has, and never names a VIP as the asker.
fn keep_silent_about_loopback(host: &Host) {
    host.namespace.sysctl("net.ipv4.conf.all.arp_ignore", 1);
    host.namespace.sysctl("net.ipv4.conf.all.arp_announce", 2);
}

fn own_vips(host: &Host, vips: &[IpAddr]) {
    for &vip in vips {
        let (words, bits) = match Family::of(vip) {
            family @ Family::V4 => ("", family.bits()),
            family @ Family::V6 => ("nodad", family.bits()),
        };
        host.namespace
            .ip(&format!("addr replace {vip}/{bits} dev lo {words}"));
    }
}
