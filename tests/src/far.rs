//! A segment behind two routers, with a link of a small MTU between them. Neither end of a
//! connection across it sees that MTU on its own interfaces: it has to be told by ICMP.
//!
//! ```text
//!   br0 10.99.0.0/24        10.97.0.0/24, small MTU         10.98.0.0/24
//!   ──────┬── .5 near .1 ───────────────────── .2 far .1 ──┬── far-client .101
//!         └── Viaduct                                      └── far-agent .11
//! ```
//! Both routers send what is for VIPs to Viaduct, and everything else to where it is. Kernels
//! limit the rate of ICMP errors by default; the routers' do not, so that no test waits for it.

use crate::addressing::Subnet;
use crate::fabric::{Fabric, Host, Segment, VIADUCT_NUMBER, give, make_bridge};
use crate::namespace::Namespace;

/// Number of the near router on the fabric.
pub const ROUTER: u8 = 5;

const NEAR: u8 = 1;
const FAR: u8 = 2;
const GATEWAY: u8 = 1;

/// What lies behind the routers.
#[derive(Debug)]
pub struct Far {
    /// A client with 1500-byte interfaces.
    pub client: Host,
    /// An agent with 1500-byte interfaces.
    pub agent: Host,
    /// The router on the fabric.
    pub near: Host,
}

impl Far {
    /// Builds it, with this MTU between the routers, and routes to it on the fabric's hosts.
    ///
    /// # Panics
    /// A command fails.
    #[must_use]
    pub fn new(fabric: &Fabric, mtu: u16) -> Self {
        let near = near_router(fabric);
        let far = far_router(fabric, &near.namespace, mtu);
        let segment = Segment {
            namespace: &far,
            bridge: "br0",
            subnet: Subnet::FAR,
            families: fabric.families(),
        };
        let host = |name: &str, number| {
            let host = segment.attach(fabric.prefix(), name.into(), number);
            set_default(fabric, &host.namespace, Subnet::FAR, GATEWAY);
            host
        };
        for neighbor in fabric.clients.iter().chain(&fabric.agents) {
            fabric.route(neighbor, Subnet::FAR, Subnet::FABRIC, ROUTER);
        }
        Self {
            client: host("far-client", 101),
            agent: host("far-agent", 11),
            near,
        }
    }
}

fn near_router(fabric: &Fabric) -> Host {
    let segment = Segment {
        namespace: &fabric.namespace,
        bridge: "br0",
        subnet: Subnet::FABRIC,
        families: fabric.families(),
    };
    let near = segment.attach(fabric.prefix(), "near".into(), ROUTER);
    make_router(fabric, &near.namespace);
    fabric.route(&near, Subnet::VIPS, Subnet::FABRIC, VIADUCT_NUMBER);
    near
}

/// The far router with its bridge and the narrow link; both ends of the link have its MTU.
fn far_router(fabric: &Fabric, near: &Namespace, mtu: u16) -> Namespace {
    let far = Namespace::create(&format!("{}far", fabric.prefix()));
    make_router(fabric, &far);
    let peer = far.name();
    near.ip(&format!(
        "link add narrow mtu {mtu} type veth peer name narrow mtu {mtu} netns {peer}"
    ));
    make_bridge(&far, "br0");
    for &family in fabric.families() {
        give(near, "narrow", Subnet::TRANSIT, family, NEAR);
        give(&far, "narrow", Subnet::TRANSIT, family, FAR);
        give(&far, "br0", Subnet::FAR, family, GATEWAY);
    }
    near.ip("link set narrow up");
    far.ip("link set narrow up");
    set_default(fabric, &far, Subnet::TRANSIT, NEAR);
    for &family in fabric.families() {
        let (to, gateway) = (Subnet::FAR.cidr(family), Subnet::TRANSIT.at(family, FAR));
        near.ip(&format!("route replace {to} via {gateway}"));
    }
    far
}

fn make_router(fabric: &Fabric, namespace: &Namespace) {
    namespace.sysctl("net.ipv4.ip_forward", 1);
    namespace.sysctl("net.ipv4.icmp_ratelimit", 0);
    // One segment serves both ways: a redirect would take Viaduct out of the path.
    namespace.sysctl("net.ipv4.conf.all.send_redirects", 0);
    namespace.sysctl("net.ipv4.conf.default.send_redirects", 0);
    if fabric.families().len() > 1 {
        namespace.sysctl("net.ipv6.conf.all.forwarding", 1);
        namespace.sysctl("net.ipv6.icmp.ratelimit", 0);
    }
}

fn set_default(fabric: &Fabric, namespace: &Namespace, on: Subnet, number: u8) {
    for &family in fabric.families() {
        let gateway = on.at(family, number);
        namespace.ip(&format!("route replace default via {gateway}"));
    }
}
