//! The bounded SYN flood as the scenarios see it.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::fabric::{Fabric, Host};
use crate::process::Background;
use crate::programs;

/// Prefix of its made-up sources (RFC 2544); nobody has these addresses.
pub const SOURCES: &str = "198.18.0.0/15";

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Sent {
    /// Packets.
    pub sent: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A running flood. It ends when it is dropped, and by itself.
#[derive(Debug)]
pub struct Flood {
    process: Background,
}

impl Flood {
    /// Starts it with bounds on packets, seconds, and packets per second.
    #[must_use]
    pub fn start(
        fabric: &Fabric,
        host: &Host,
        target: SocketAddr,
        (packets, seconds, rate): (u64, u64, u64),
    ) -> Self {
        let mut command = host.namespace.command(programs::own("flood"));
        command.args(["--target", &target.to_string()]);
        command.args(["--packets", &packets.to_string()]);
        command.args(["--seconds", &seconds.to_string()]);
        command.args(["--rate", &rate.to_string()]);
        let name = format!("flood-{}", host.name);
        Self {
            process: Background::start(&name, command, &fabric.logs()),
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It fails, or does not end.
    #[must_use]
    pub fn finish(mut self) -> Sent {
        let status = self.process.wait(4 * crate::eventually::DEADLINE);
        let log = self.process.log();
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?}: {log}"
        );
        serde_json::from_str(log.trim()).unwrap_or_else(|error| panic!("{error}: {log}"))
    }
}
