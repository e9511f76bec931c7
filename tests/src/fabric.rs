//! The network that every scenario runs on:
//!
//! ```text
//!   clients                  fabric namespace                    agents
//!   10.99.0.101+        ┌───────────────────────┐             10.99.0.11+
//!  ┌─────────┐  veth    │   br0 10.99.0.1/24    │    veth   ┌────────┐
//!  │ client1 ├──────────┤                       ├───────────┤ agent1 │
//!  └─────────┘          │  dtap0: Viaduct's TAP │           ├────────┤
//!   11.0.0.0/8 via      │  10.99.0.2            ├───────────┤ agent2 │
//!   10.99.0.2           └───────────────────────┘           └────────┘
//! ```
//!
//! Owns the namespaces and the scratch folder. It does not start anything in them. A dual-stack
//! fabric has IPv6 as well, with the same numbers (see [`crate::addressing`]). Neighbors behind
//! routers and on a second bridge join it with [`crate::far`] and [`crate::two_arm`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::addressing::{Family, Subnet};
use crate::attachment::Attachment;
use crate::guardian::Guardian;
use crate::namespace::Namespace;

/// The fabric's own address: DNS and Marathon are here.
pub const FABRIC: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Viaduct's port.
pub const VIADUCT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Number of the fabric's own address.
pub(crate) const FABRIC_NUMBER: u8 = 1;
/// Number of Viaduct's port on each of its subnets.
pub(crate) const VIADUCT_NUMBER: u8 = 2;

/// Sets the middle of namespace names, so that a script can sweep what its run has made.
const RUN_ENV: &str = "VIADUCT_TEST_RUN";

static FABRICS: AtomicU32 = AtomicU32::new(0);

/// A client or an agent: a namespace with one interface on the fabric.
#[derive(Clone, Debug)]
pub struct Host {
    /// `client1`, `agent2`, …
    pub name: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its address on the fabric.
    pub address: Ipv4Addr,
    /// Its IPv6 address on a dual-stack fabric.
    pub address6: Option<Ipv6Addr>,
}

impl Host {
    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let v6 = self.address6.map(IpAddr::V6);
        std::iter::once(IpAddr::V4(self.address))
            .chain(v6)
            .collect()
    }

    /// Its address in a family.
    ///
    /// # Panics
    /// IPv6 on a fabric that has none.
    #[must_use]
    pub fn at(&self, family: Family) -> IpAddr {
        let mut addresses = self.addresses().into_iter();
        addresses
            .find(|&address| Family::of(address) == family)
            .unwrap_or_else(|| {
                panic!(
                    "{} has no {family} address: use a dual-stack fabric",
                    self.name
                )
            })
    }

    /// Families that it speaks.
    #[must_use]
    pub fn families(&self) -> &'static [Family] {
        if self.address6.is_some() {
            &Family::ALL
        } else {
            &Family::ALL[..1]
        }
    }
}

/// The namespaces of one scenario; they go when it is dropped, after everything that runs in them.
#[derive(Debug)]
pub struct Fabric {
    /// Where the bridge is, and Viaduct.
    pub namespace: Namespace,
    /// Clients from 10.99.0.101 on, with a route to the VIPs.
    pub clients: Vec<Host>,
    /// Agents from 10.99.0.11 on.
    pub agents: Vec<Host>,
    prefix: String,
    families: &'static [Family],
    attachment: Attachment,
    scratch: PathBuf,
    guardian: Guardian,
}

impl Fabric {
    /// Builds the network with this many clients and agents, with IPv4 only, for Viaduct attached as
    /// the environment says.
    ///
    /// # Panics
    /// Not root, or a command fails.
    #[must_use]
    pub fn new(clients: u8, agents: u8) -> Self {
        Self::build(Attachment::from_env(), clients, agents, &Family::ALL[..1])
    }

    /// The same for another attachment.
    ///
    /// # Panics
    /// Not root, or a command fails.
    #[must_use]
    pub fn with(attachment: Attachment, clients: u8, agents: u8) -> Self {
        Self::build(attachment, clients, agents, &Family::ALL[..1])
    }

    /// The same with both families.
    ///
    /// # Panics
    /// Not root, or a command fails.
    #[must_use]
    pub fn dual_stack(clients: u8, agents: u8) -> Self {
        Self::build(Attachment::from_env(), clients, agents, &Family::ALL)
    }

    fn build(attachment: Attachment, clients: u8, agents: u8, families: &'static [Family]) -> Self {
        require_root();
        let prefix = prefix();
        let scratch = make_scratch(&prefix);
        let guardian = Guardian::start(&prefix, &scratch);
        let namespace = Namespace::create(&format!("{prefix}fabric"));
        keep_netfilter_out(&namespace);
        make_bridge(&namespace, "br0");
        for &family in families {
            give(&namespace, "br0", Subnet::FABRIC, family, FABRIC_NUMBER);
        }
        let main = Segment {
            namespace: &namespace,
            bridge: "br0",
            subnet: Subnet::FABRIC,
            families,
        };
        attachment.prepare(&namespace);
        let host = |name: String, number| {
            let host = main.attach(&prefix, name, number);
            attachment.finish_packets(&host.namespace, "eth0");
            host
        };
        let clients: Vec<Host> = (1..=clients)
            .map(|n| host(format!("client{n}"), 100 + n))
            .collect();
        let agents = (1..=agents)
            .map(|n| host(format!("agent{n}"), 10 + n))
            .collect();
        for client in &clients {
            client
                .namespace
                .ip(&format!("route add 11.0.0.0/8 via {VIADUCT}"));
        }
        Self {
            namespace,
            clients,
            agents,
            prefix,
            families,
            attachment,
            scratch,
            guardian,
        }
    }

    /// Sends the clients' packets to the documentation prefixes, where services have their
    /// addresses, to Viaduct.
    #[must_use]
    pub fn with_vip_routes(self) -> Self {
        for client in &self.clients {
            self.route_vips(client);
        }
        self
    }

    /// Sends one host's packets to the VIPs' documentation prefixes to Viaduct.
    pub fn route_vips(&self, host: &Host) {
        self.route(host, Subnet::VIPS, Subnet::FABRIC, VIADUCT_NUMBER);
    }

    /// Families of its hosts.
    #[must_use]
    pub const fn families(&self) -> &'static [Family] {
        self.families
    }

    /// Start of the names of its namespaces.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Routes a subnet over a gateway, by the gateway's own subnet and number.
    pub(crate) fn route(&self, host: &Host, to: Subnet, via: Subnet, number: u8) {
        for &family in self.families {
            let (to, gateway) = (to.cidr(family), via.at(family, number));
            host.namespace
                .ip(&format!("route replace {to} via {gateway}"));
        }
    }

    /// How Viaduct is attached.
    #[must_use]
    pub const fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// Folder for configuration, sockets and data of this scenario.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Folder for logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.scratch.join("logs")
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.guardian.keep_scratch();
            show_logs(&self.logs());
        }
    }
}

/// # Panics
/// The effective user is not root.
fn require_root() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = uid.and_then(|ids| ids.split_whitespace().nth(1));
    assert!(
        effective == Some("0"),
        "this test makes network namespaces and must run as root: sudo -E scripts/test e2e"
    );
}

fn prefix() -> String {
    let run = std::env::var(RUN_ENV).unwrap_or_else(|_| "test".into());
    let sequence = FABRICS.fetch_add(1, Ordering::Relaxed);
    format!("vd-{run}-{}-{sequence}-", std::process::id())
}

fn make_scratch(prefix: &str) -> PathBuf {
    let scratch = std::env::temp_dir().join(format!("{prefix}scratch"));
    std::fs::create_dir_all(scratch.join("logs"))
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", scratch.display()));
    scratch
}

/// A kernel with br_netfilter looks into bridged IPv4 packets, and drops malformed ones before
/// Viaduct sees them.
fn keep_netfilter_out(namespace: &Namespace) {
    let setting = "net.bridge.bridge-nf-call-iptables";
    if Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() {
        namespace.run(["sysctl", "-qw", &format!("{setting}=0")]);
    }
}

/// The bridge has no spanning tree and no multicast snooping: a port that joins forwards at once.
pub(crate) fn make_bridge(namespace: &Namespace, name: &str) {
    namespace.ip(&format!(
        "link add {name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
    ));
    namespace.ip(&format!("link set {name} up"));
}

/// Gives an interface the address of this number; an IPv6 one is usable at once.
pub(crate) fn give(namespace: &Namespace, device: &str, on: Subnet, family: Family, number: u8) {
    let address = on.interface(family, number);
    let no_detection = if family == Family::V6 {
        namespace.enable_ipv6(device);
        "nodad"
    } else {
        ""
    };
    namespace.ip(&format!("addr add {address} dev {device} {no_detection}"));
}

/// A bridge that hosts can be attached to.
pub(crate) struct Segment<'a> {
    /// Where the bridge is.
    pub(crate) namespace: &'a Namespace,
    pub(crate) bridge: &'a str,
    pub(crate) subnet: Subnet,
    pub(crate) families: &'a [Family],
}

impl Segment<'_> {
    /// A new host whose `eth0` is on the bridge.
    pub(crate) fn attach(&self, prefix: &str, name: String, number: u8) -> Host {
        let namespace = Namespace::create(&format!("{prefix}{name}"));
        let (fabric, peer) = (self.namespace, namespace.name());
        fabric.ip(&format!(
            "link add {name} type veth peer name eth0 netns {peer}"
        ));
        fabric.ip(&format!("link set {name} master {} up", self.bridge));
        for &family in self.families {
            give(&namespace, "eth0", self.subnet, family, number);
        }
        namespace.ip("link set eth0 up");
        let has_ipv6 = self.families.contains(&Family::V6);
        Host {
            name,
            namespace,
            address: self.subnet.v4(number),
            address6: has_ipv6.then(|| self.subnet.v6(number)),
        }
    }
}

#[allow(
    clippy::print_stderr,
    reason = "a failing test shows what its programs wrote"
)]
fn show_logs(logs: &Path) {
    const LINES: usize = 60;
    let Ok(entries) = std::fs::read_dir(logs) else {
        return;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LINES)..];
        eprintln!(
            "---- {} (the last of {} lines)\n{}",
            file.display(),
            lines.len(),
            tail.join("\n")
        );
    }
}
