//! A small load client: concurrent HTTP, TCP or UDP connections for a bounded count or time.
//! Prints one JSON report: answers by responder, errors by kind, and the same by second.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use viaduct_tests::load::{self, Options, Protocol};

/// A small load client.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is spoken to the target.
    #[arg(long, value_enum, default_value = "http")]
    protocol: Protocol,
    /// Address and port of the target.
    #[arg(long)]
    target: SocketAddr,
    /// Path of HTTP requests.
    #[arg(long, default_value = "/id")]
    path: String,
    /// Concurrent connections.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Requests of each connection; without it --duration ends the run.
    #[arg(long)]
    requests: Option<u64>,
    /// No request starts after this time.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// A new connection for each request.
    #[arg(long)]
    one_shot: bool,
    /// Pause between two requests of a connection.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Longest wait for a connection and for an answer.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Nobody asks a second time before everybody has asked once.
    #[arg(long)]
    together: bool,
    /// Least length of a line or datagram.
    #[arg(long, default_value_t = 0)]
    size: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let bounded = arguments.requests.is_some() || arguments.duration.is_some();
    ensure!(bounded, "say when to stop: --requests or --duration");
    let report = load::run(Options {
        protocol: arguments.protocol,
        target: arguments.target,
        path: arguments.path,
        connections: arguments.connections,
        requests: arguments.requests.unwrap_or(u64::MAX),
        duration: arguments.duration,
        one_shot: arguments.one_shot,
        interval: arguments.interval,
        timeout: arguments.timeout,
        together: arguments.together,
        size: arguments.size,
    })
    .await;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}
