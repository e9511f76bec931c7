//! The small servers of this crate as background processes, the load client, and the large
//! file of the transfer scenarios.

use std::io::{BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::load::Report;
use crate::process::{self, Background};
use crate::programs;

/// Raises the limit of open files of a program that has many connections.
pub(crate) const MANY_FILES: &str = "--nofile=20000:20000";

/// A running server of this crate.
#[derive(Debug)]
pub struct Peer {
    /// What it answers with: its host's name, a colon and its port.
    pub id: String,
    /// The process.
    pub process: Background,
}

/// A line echo server on a port of `host`.
#[must_use]
pub fn tcp_echo(fabric: &Fabric, host: &Host, port: u16) -> Peer {
    start(fabric, host, "tcp-echo", "tcp", port)
}

/// A datagram echo server on a port of `host`.
#[must_use]
pub fn udp_echo(fabric: &Fabric, host: &Host, port: u16) -> Peer {
    start(fabric, host, "udp-echo", "udp", port)
}

/// A server for uploads on a port of `host`.
#[must_use]
pub fn receiver(fabric: &Fabric, host: &Host, port: u16) -> Peer {
    start(fabric, host, "receiver", "tcp", port)
}

/// It listens on the host's own addresses, so that its answers have the right source.
fn start(fabric: &Fabric, host: &Host, program: &str, protocol: &str, port: u16) -> Peer {
    start_at(fabric, host, program, protocol, &host.addresses(), port)
}

/// A line echo server of `host` on these of its addresses.
#[must_use]
pub fn tcp_echo_at(fabric: &Fabric, host: &Host, addresses: &[IpAddr], port: u16) -> Peer {
    start_at(fabric, host, "tcp-echo", "tcp", addresses, port)
}

/// A datagram echo server of `host` on these of its addresses.
#[must_use]
pub fn udp_echo_at(fabric: &Fabric, host: &Host, addresses: &[IpAddr], port: u16) -> Peer {
    start_at(fabric, host, "udp-echo", "udp", addresses, port)
}

/// A server for uploads of `host` on these of its addresses.
#[must_use]
pub fn receiver_at(fabric: &Fabric, host: &Host, addresses: &[IpAddr], port: u16) -> Peer {
    start_at(fabric, host, "receiver", "tcp", addresses, port)
}

/// A server of server-sent events of `host` on these of its addresses.
#[must_use]
pub fn event_stream_at(fabric: &Fabric, host: &Host, addresses: &[IpAddr], port: u16) -> Peer {
    start_at(fabric, host, "event-stream", "tcp", addresses, port)
}

fn start_at(
    fabric: &Fabric,
    host: &Host,
    program: &str,
    protocol: &str,
    addresses: &[IpAddr],
    port: u16,
) -> Peer {
    let id = format!("{}:{port}", host.name);
    let name = format!("{program}-{}-{port}", host.name);
    let mut command = host.namespace.command(programs::own(program));
    command.args(["--id", &id]);
    for &address in addresses {
        command.args(["--listen", &SocketAddr::from((address, port)).to_string()]);
    }
    let mut process = Background::start(&name, command, &fabric.logs());
    let wanted = addresses.len();
    eventually(&name, || {
        process.check_alive()?;
        expect(host.namespace.listeners(protocol, port) >= wanted, || {
            format!("port {port} is closed")
        })
    });
    Peer { id, process }
}

/// A load run in the background of a scenario.
#[derive(Debug)]
pub struct Load {
    process: Background,
    report: PathBuf,
}

/// Runs `load` on `host` with these words to its end.
///
/// # Panics
/// It cannot run; errors that it *saw* are in the report.
#[must_use]
pub fn load(host: &Host, words: &str) -> Report {
    let mut command = load_command(host, words);
    read_report(&process::run(&mut command))
}

fn load_command(host: &Host, words: &str) -> Command {
    let mut command = host.namespace.command("prlimit");
    command.arg(MANY_FILES).arg(programs::own("load"));
    command.args(words.split_whitespace());
    command
}

fn read_report(text: &str) -> Report {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not a report ({error}): {text}"))
}

impl Load {
    /// Starts `load` on `host` with these words. `name` is unique in the scenario.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host, name: &str, words: &str) -> Self {
        let process = Background::start(name, load_command(host, words), &fabric.logs());
        Self {
            process,
            report: fabric.logs().join(format!("{name}.log")),
        }
    }

    /// Fails if it has ended, because then the scenario's changes came too late to be seen.
    ///
    /// # Panics
    /// It has ended.
    pub fn assert_runs(&mut self) {
        assert!(
            self.process.exit_status().is_none(),
            "the load ended before the scenario"
        );
    }

    /// Waits for its end and returns its report.
    ///
    /// # Panics
    /// It fails, or does not end.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let deadline = 4 * crate::eventually::DEADLINE;
        let status = self
            .process
            .wait(deadline)
            .unwrap_or_else(|| panic!("load never ends"));
        assert!(
            status.success(),
            "load failed ({status}): {}",
            self.process.log()
        );
        read_report(&std::fs::read_to_string(&self.report).expect("the log is there"))
    }
}

/// A file of pseudo-random bytes, which nginx serves as `/blob`.
#[derive(Debug)]
pub struct Blob {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl Blob {
    /// Writes the file of this many MiB into the scratch folder.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn write(fabric: &Fabric, mebibytes: u64) -> Self {
        let path = fabric.scratch().join("blob");
        let file = std::fs::File::create(&path).expect("the scratch folder is writable");
        let mut file = BufWriter::new(file);
        let bytes = mebibytes << 20;
        for word in xorshift().take(usize::try_from(bytes / 8).expect("64-bit machine")) {
            file.write_all(&word.to_le_bytes())
                .expect("the disk has room for the blob");
        }
        file.flush().expect("the disk has room for the blob");
        drop(file);
        let sha256 = sha256(&path);
        Self {
            path,
            sha256,
            bytes,
        }
    }
}

/// Marsaglia's xorshift64: the same bytes on every run, which do not compress or repeat.
fn xorshift() -> impl Iterator<Item = u64> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Panics
/// The file cannot be read.
#[must_use]
pub fn sha256(path: &std::path::Path) -> String {
    let text = process::run(Command::new("sha256sum").arg(path));
    text.split_whitespace()
        .next()
        .expect("sha256sum prints the sum first")
        .to_owned()
}
