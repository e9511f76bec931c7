//! The sections about how services are balanced: defaults of their policy, and tunnels.

use dataplane::table::{Mode, Refusal, Removal};
use serde::Deserialize;

use super::value::{Affinity, ModeName, Prefix, RefusalName, RemovalName};

/// `[services]`: what holds for every service that does not say otherwise. All startup-only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// How packets reach backends (startup-only). Default `nat`.
    #[serde(with = "ModeName")]
    pub mode: Mode,
    /// What a client gets when no backend can serve it (startup-only). Default `reset`.
    #[serde(with = "RefusalName")]
    pub no_backend: Refusal,
    /// What becomes of a removed backend's connections (startup-only). Default `reset`.
    #[serde(with = "RemovalName")]
    pub on_removal: Removal,
    /// What of a client chooses its backend (startup-only). Default `none`.
    pub affinity: Affinity,
    /// Largest TCP segment that SYNs may announce, in bytes; 0 leaves it to them (startup-only).
    /// Default 0.
    pub max_segment: u16,
    /// New flows of one service in a second, over all workers; 0 is any number (startup-only).
    /// Default 0.
    pub new_flows_per_second: u32,
    /// Flows of one service at a time, over all workers; 0 is any number (startup-only). Default 0.
    pub flows: u32,
    /// Clients that may use a service; without any all may that are not denied (startup-only).
    pub allow: Vec<Prefix>,
    /// Clients that may not; the longest prefix decides (startup-only).
    pub deny: Vec<Prefix>,
}

/// `[tunnels]`: how packets are wrapped in the modes `ipip` and `gue`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tunnels {
    /// UDP port on which backends take Generic UDP Encapsulation (startup-only). Default 6080.
    pub gue_port: u16,
}

impl Default for Tunnels {
    /// The port that IANA has assigned to GUE.
    fn default() -> Self {
        Self { gue_port: 6080 }
    }
}
