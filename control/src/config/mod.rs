//! The configuration file: one typed tree, checked as a whole before anything starts.
//!
//! [`Config::load`] is the only way in. It refuses unknown keys, gives every optional key its
//! default, and reports all mistakes in the meaning of a file at once, each with line, column,
//! caret and a hint. What it returns is consistent: later code need not check it again.
//!
//! This module reads one file and nothing else. It never looks at the machine (the set of CPUs
//! is a parameter), never opens a socket, and never starts anything.
//!
//! Each field says when a change of it takes effect. So far all are *startup-only*: the file is read
//! once, at start.

mod check;
mod error;
mod machine;
mod network;
mod outside;
mod port;
mod services;
mod sources;
mod spans;
mod structure;
#[cfg(test)]
mod tests;
pub mod value;

use std::path::Path;

use serde::Deserialize;

pub use error::{ConfigError, Finding};
pub use machine::{Control, Hugepages, Idle, Memory, Workers};
pub use network::{Nat, Timeouts, Vips};
pub use outside::{Api, Dns, Log, LogFormat, LogLevel};
pub use port::{Driver, HostPort, Interface, MemifRole, Port, Vlan};
pub use services::{Services, Tunnels};
pub use sources::{File, Marathon, Sources};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Packet workers (startup-only).
    #[serde(default)]
    pub workers: Workers,
    /// The control thread (startup-only).
    #[serde(default)]
    pub control: Control,
    /// DPDK's memory (startup-only).
    #[serde(default)]
    pub memory: Memory,
    /// Network ports, at least one (startup-only).
    pub ports: Vec<Port>,
    /// Source address translation towards backends (startup-only).
    #[serde(default)]
    pub nat: Nat,
    /// How services are balanced that do not say otherwise (startup-only).
    #[serde(default)]
    pub services: Services,
    /// How packets are wrapped in tunnel modes (startup-only).
    #[serde(default)]
    pub tunnels: Tunnels,
    /// The address pool and DNS zone of named VIPs (startup-only).
    #[serde(default)]
    pub vips: Vips,
    /// Idle times after which flows expire (startup-only).
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Where services come from, at least one (startup-only).
    #[serde(default)]
    pub sources: Sources,
    /// The DNS server (startup-only).
    #[serde(default)]
    pub dns: Dns,
    /// The API and metrics servers (startup-only).
    #[serde(default)]
    pub api: Api,
    /// Logging; each key says when a change takes effect.
    #[serde(default)]
    pub log: Log,
}

/// A usable configuration, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Oddities that do not prevent a start, in the file's order.
    pub warnings: Vec<Finding>,
}

impl Config {
    /// Reads and checks a configuration file. `cpus` are the numbers of the CPUs that this
    /// machine has.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, has an unknown or missing key or a value of the
    /// wrong kind, or contradicts itself or the machine.
    pub fn load(path: &Path, cpus: &[usize]) -> Result<Loaded, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string(), cpus)
    }

    /// Checks the text of a configuration file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::load`], except for reading.
    pub fn parse(text: &str, name: &str, cpus: &[usize]) -> Result<Loaded, ConfigError> {
        let (config, spans) = structure::read(text, name)?;
        let (errors, warnings) = check::check(&config, &spans, cpus);
        if errors.is_empty() {
            Ok(Loaded { config, warnings })
        } else {
            Err(ConfigError::Broken {
                name: name.to_owned(),
                findings: errors,
            })
        }
    }
}
