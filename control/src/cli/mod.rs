//! The command line: what can be asked, and which exit code says how it went.
//!
//! Commands write results to standard output and everything else to standard error. This is
//! the edge of the program: the only place where errors become text for people.

mod capture;
mod check;
mod client;
mod config;
mod flows;
mod neighbors;
mod pcap;
mod run;
#[cfg(test)]
mod tests;
mod trace;
mod vips;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::config::Api;
use crate::exit::Exit;

/// Where the configuration is unless told otherwise.
const DEFAULT_CONFIG: &str = "/etc/viaduct/viaduct.toml";

/// Where the packet cases are in the source tree.
const PACKET_SUITE: &str = "tests/packets/suite";

/// Layer-4 load balancer appliance for Marathon clusters.
#[derive(Debug, Parser)]
#[command(name = "viaduct", version, propagate_version = true)]
struct Cli {
    /// Log more than the configuration says (-v: one level, -vv: two).
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the load balancer in the foreground.
    Run(RunArgs),
    /// Work with the configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check how this build behaves, without starting anything.
    #[command(subcommand)]
    Check(CheckCommand),
    /// List VIPs and their backends, as the running load balancer sees them.
    Vips(VipsArgs),
    /// List the flows that exist: connections, and UDP conversations.
    Flows(flows::FlowsArgs),
    /// List the next hops and their Ethernet addresses, as each worker knows them.
    Neighbors(neighbors::NeighborsArgs),
    /// Show what would become of a packet, or what becomes of the next ones.
    #[command(subcommand)]
    Trace(trace::TraceCommand),
    /// Write packets to a pcapng file, with what became of them.
    Capture(capture::CaptureArgs),
}

/// `viaduct run`.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Further arguments for DPDK's EAL, after `--`.
    #[arg(last = true, value_name = "EAL ARGS")]
    eal_args: Vec<String>,
}

/// `viaduct config`.
#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file, without starting anything.
    Check {
        /// Configuration file.
        #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG)]
        file: PathBuf,
    },
}

/// `viaduct check`.
#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Run packet cases through the packet path: packets in, packets, verdicts and counters out.
    Packets(CheckPacketsArgs),
}

/// `viaduct check packets`.
#[derive(Debug, clap::Args)]
struct CheckPacketsArgs {
    /// Files of cases, or folders of such files.
    #[arg(value_name = "PATH", default_value = PACKET_SUITE)]
    paths: Vec<PathBuf>,
    /// Write what each case sends as a capture file into this folder.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
}

/// `viaduct vips`.
#[derive(Debug, clap::Args)]
struct VipsArgs {
    /// List the labels that were skipped, and why, instead.
    #[arg(long)]
    problems: bool,
    /// How to write the list.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The API socket of the running load balancer.
    #[arg(long, value_name = "PATH", default_value = Api::DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// Where the running load balancer is.
#[derive(Debug, clap::Args)]
struct SocketArg {
    /// The API socket of the running load balancer.
    #[arg(long, value_name = "PATH", default_value = Api::DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns, for people.
    Table,
    /// The API's JSON, for scripts.
    Json,
}

/// Runs the command line `args`, of which the first is the program's name.
pub fn main<I>(args: I) -> Exit
where
    I: IntoIterator<Item = OsString>,
{
    run_with(args, &mut io::stdout(), &mut io::stderr())
}

/// [`main`] with its outputs, for tests.
fn run_with<I>(args: I, out: &mut dyn Write, err: &mut dyn Write) -> Exit
where
    I: IntoIterator<Item = OsString>,
{
    let result = match Cli::try_parse_from(args) {
        Ok(cli) => dispatch(cli, out, err),
        Err(error) => usage(&error, out, err),
    };
    // A reader that went away, such as `head`, is no failure.
    result.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::Success,
        _ => Exit::Failure,
    })
}

fn dispatch(cli: Cli, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(args, cli.verbose, err),
        Command::Config(ConfigCommand::Check { file }) => config::check(&file, out, err),
        Command::Check(CheckCommand::Packets(args)) => check::packets(&args, out, err),
        Command::Vips(args) => vips::list(&args, out, err),
        Command::Flows(args) => flows::list(&args, out, err),
        Command::Neighbors(args) => neighbors::list(&args, out, err),
        Command::Trace(command) => trace::trace(&command, out, err),
        Command::Capture(args) => capture::capture(&args, out, err),
    }
}

/// Writes why something failed, and returns the exit code that says so.
fn fail(error: &client::ClientError, err: &mut dyn Write) -> io::Result<Exit> {
    writeln!(err, "viaduct: {error}")?;
    Ok(error.exit())
}

/// Help and version are what was asked for; everything else is wrong usage.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let text = error.render();
    if error.use_stderr() {
        write!(err, "{text}")?;
        Ok(Exit::Usage)
    } else {
        write!(out, "{text}")?;
        Ok(Exit::Success)
    }
}
