//! The receiving end of tunnels on an agent, as the scenarios see it.

use serde::{Deserialize, Serialize};

use super::outer::{Carrier, Ip, Udp};
use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::process::Background;
use crate::programs;

/// The TUN device through which the kernel gets inner packets.
pub const TUN: &str = "decap0";

/// A packet that came by a tunnel; the program `decap` prints one a line (JSON).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    /// It was right, and the kernel got the inner packet.
    Delivered {
        /// The outer IP header.
        outer: Ip,
        /// How the inner packet was carried.
        carrier: Carrier,
        /// The outer UDP header.
        udp: Option<Udp>,
        /// The inner IP header.
        inner: Ip,
    },
    /// It was wrong.
    Refused {
        /// What was wrong.
        fault: String,
    },
}

/// A running end of tunnels. It ends when it is dropped.
#[derive(Debug)]
pub struct Decap {
    process: Background,
}

impl Decap {
    /// Starts it on a host, for all of the host's addresses, and waits until it takes packets.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host) -> Self {
        let name = format!("decap-{}", host.name);
        let mut command = host.namespace.command(programs::own("decap"));
        command.args(["--tun", TUN]);
        for address in host.addresses() {
            command.args(["--at", &address.to_string()]);
        }
        // Inner packets come in where their sources are not routed to.
        host.namespace.sysctl("net.ipv4.conf.all.rp_filter", 0);
        host.namespace.sysctl("net.ipv4.conf.default.rp_filter", 0);
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            expect(process.log().contains(READY), || "not ready".into())
        });
        if host.address6.is_some() {
            host.namespace.enable_ipv6(TUN);
        }
        Self { process }
    }

    /// What has come so far. A line that is being written is left for the next time.
    ///
    /// # Panics
    /// A line is not what the program prints.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        let log = self.process.log();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let lines = whole.lines().filter(|line| *line != READY);
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

/// First line of the program's output, when it takes packets.
pub const READY: &str = "ready";
