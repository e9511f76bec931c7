//! The sections about what Viaduct shows: DNS, API and logs.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// `[dns]`: the authoritative server of the VIP zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Where it listens, UDP and TCP (startup-only). Default is nowhere: no DNS server.
    pub listen: Vec<SocketAddr>,
}

/// `[api]`: status, metrics and health.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Unix socket for local tools (startup-only). Default `/run/viaduct/api.sock`.
    pub socket: PathBuf,
    /// Address of the same API over HTTP (startup-only). Default `127.0.0.1:9100`.
    pub http: SocketAddr,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(Self::DEFAULT_SOCKET),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 9100)),
        }
    }
}

impl Api {
    /// Where local tools look for the API unless told otherwise.
    pub const DEFAULT_SOCKET: &'static str = "/run/viaduct/api.sock";
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least severe messages that are written (startup-only). Default `info`.
    pub level: LogLevel,
    /// How they are written (startup-only). Default `text`.
    pub format: LogFormat,
}

/// Severity of a log message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd, and Viaduct goes on.
    Warn,
    /// What an operator wants to know in normal running.
    #[default]
    Info,
    /// What helps to find a mistake.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level that is `steps` more talkative, at most [`LogLevel::Trace`].
    #[must_use]
    pub const fn more(self, steps: u8) -> Self {
        match (self as u8).saturating_add(steps) {
            0 => Self::Error,
            1 => Self::Warn,
            2 => Self::Info,
            3 => Self::Debug,
            _ => Self::Trace,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

/// How log messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}
