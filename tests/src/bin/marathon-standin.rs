//! Serves a scenario file the way Marathon would: `/v2/info`, `/v2/apps`, `/v2/events`,
//! `/v2/leader` and `/ping`. It follows the file, and fails on request through a control
//! endpoint: `PUT /control/fault {"mode":"ok|down|error500|html|truncated|empty|slow"}`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpListener;
use viaduct_tests::marathon::control;
use viaduct_tests::marathon::standin::{Options, Standin};

/// A stand-in for Marathon.
#[derive(Debug, Parser)]
struct Arguments {
    /// The scenario file (TOML).
    #[arg(long)]
    scenario: PathBuf,
    /// Where Marathon's API listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the control endpoint listens.
    #[arg(long, default_value = "127.0.0.1:8081")]
    control: SocketAddr,
    /// Time between two heartbeats of an event stream.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    heartbeat: Duration,
    /// Time between two looks at the scenario file.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    poll: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.control)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.control))?;
    let standin = Standin::start(Options {
        listen: arguments.listen,
        scenario: arguments.scenario,
        poll: arguments.poll,
        heartbeat: arguments.heartbeat,
    })
    .await?;
    control::serve(listener, standin).await
}
