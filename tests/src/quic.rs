//! A QUIC server and a client that stays on one connection, as the scenarios see them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::process::Background;
use crate::programs;

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// First word of its answers.
    pub id: String,
    /// The process.
    pub process: Background,
    certificate: PathBuf,
}

impl Server {
    /// Starts it on a UDP port of these addresses of `host`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host, addresses: &[IpAddr], port: u16) -> Self {
        let id = format!("{}:{port}", host.name);
        let name = format!("quic-{}-{port}", host.name);
        let certificate = fabric.scratch().join(format!("{name}.der"));
        let mut command = host.namespace.command(programs::own("quic"));
        command.args(["server", "--id", &id, "--certificate"]);
        command.arg(&certificate);
        for &address in addresses {
            command.args(["--listen", &SocketAddr::from((address, port)).to_string()]);
        }
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            let count = host.namespace.listeners("udp", port);
            expect(count >= addresses.len(), || format!("{count} sockets"))
        });
        Self {
            id,
            process,
            certificate,
        }
    }
}

/// A running client. It ends when it is dropped.
#[derive(Debug)]
pub struct Client {
    process: Background,
}

impl Client {
    /// Connects to `target`, where any of `servers` may answer.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host, target: SocketAddr, servers: &[Server]) -> Self {
        let mut command = host.namespace.command(programs::own("quic"));
        command.args(["client", "--target", &target.to_string()]);
        for server in servers {
            command.arg("--certificate").arg(&server.certificate);
        }
        let process = Background::start(&format!("quic-{}", host.name), command, &fabric.logs());
        Self { process }
    }

    /// Ids of who answered, one for each answer so far.
    #[must_use]
    pub fn responders(&self) -> Vec<String> {
        let log = self.process.log();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let responder = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        whole.lines().map(responder).collect()
    }

    /// Waits for so many more answers, and returns who has given all of them.
    ///
    /// # Panics
    /// They do not come, or the connection has ended.
    pub fn wait_for_more(&mut self, count: usize) -> Vec<String> {
        let before = self.responders().len();
        eventually("answers on the QUIC connection", || {
            if let Err(reason) = self.process.check_alive() {
                panic!("{reason}");
            }
            let now = self.responders();
            expect(now.len() >= before + count, || {
                format!("{} answers", now.len())
            })?;
            Ok(now)
        })
    }
}
