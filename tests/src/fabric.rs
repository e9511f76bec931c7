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
//! Owns the namespaces and the scratch folder. It does not start anything in them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::attachment::Attachment;
use crate::guardian::Guardian;
use crate::namespace::Namespace;

/// The fabric's own address: DNS and Marathon are here.
pub const FABRIC: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Viaduct's port.
pub const VIADUCT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

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
    attachment: Attachment,
    scratch: PathBuf,
    guardian: Guardian,
}

impl Fabric {
    /// Builds the network with this many clients and agents, for Viaduct attached as the environment says.
    ///
    /// # Panics
    /// Not root, or a command fails.
    #[must_use]
    pub fn new(clients: u8, agents: u8) -> Self {
        Self::with(Attachment::from_env(), clients, agents)
    }

    /// The same for another attachment.
    ///
    /// # Panics
    /// Not root, or a command fails.
    #[must_use]
    pub fn with(attachment: Attachment, clients: u8, agents: u8) -> Self {
        require_root();
        let prefix = prefix();
        let scratch = make_scratch(&prefix);
        let guardian = Guardian::start(&prefix, &scratch);
        let namespace = make_bridge(&format!("{prefix}fabric"));
        attachment.prepare(&namespace);
        let host = |name: String, last| {
            let host = attach(&namespace, &prefix, name, last);
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
            attachment,
            scratch,
            guardian,
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
fn make_bridge(name: &str) -> Namespace {
    let namespace = Namespace::create(name);
    keep_netfilter_out(&namespace);
    namespace.ip("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0");
    namespace.ip(&format!("addr add {FABRIC}/24 dev br0"));
    namespace.ip("link set br0 up");
    namespace
}

fn attach(fabric: &Namespace, prefix: &str, name: String, last: u8) -> Host {
    let namespace = Namespace::create(&format!("{prefix}{name}"));
    let peer = namespace.name();
    fabric.ip(&format!(
        "link add {name} type veth peer name eth0 netns {peer}"
    ));
    fabric.ip(&format!("link set {name} master br0 up"));
    let address = Ipv4Addr::new(10, 99, 0, last);
    namespace.ip(&format!("addr add {address}/24 dev eth0"));
    namespace.ip("link set eth0 up");
    Host {
        name,
        namespace,
        address,
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
