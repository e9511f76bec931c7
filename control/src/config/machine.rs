//! The sections about this machine: worker cores, the control core, and memory.

use std::time::Duration;

use serde::Deserialize;

use super::value::{CpuList, Period, Size};

/// What an idle worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// Polls without pause: lowest latency, the CPU is always busy.
    Spin,
    /// Sleeps ever longer while there is nothing to do.
    Sleep,
}

/// `[workers]`: the threads that forward packets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// One worker per entry, pinned to that CPU (startup-only). Default `[1]`.
    pub cores: CpuList,
    /// What an idle worker does (startup-only). Default `sleep`.
    pub idle: Idle,
    /// Upper end of the sleep ramp; only with `idle = "sleep"` (startup-only). Default 200 µs.
    pub idle_max_sleep: Period,
    /// Flow-table capacity of each worker (startup-only). Default 262144.
    pub flows: usize,
    /// How many of them may be half-open TCP connections, whose handshake is not complete
    /// (startup-only). Default is a quarter of `flows`.
    pub half_open: Option<usize>,
}

impl Workers {
    /// The bound on half-open TCP connections of each worker, at least 1.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.unwrap_or(self.flows / 4).max(1)
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            cores: CpuList::one(1),
            idle: Idle::Sleep,
            idle_max_sleep: Period::new(Duration::from_micros(200)),
            flows: 262_144,
            half_open: None,
        }
    }
}

/// `[control]`: the thread that learns, plans and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// CPU of the control thread and of EAL's helper threads (startup-only). Default 0.
    pub core: usize,
}

/// Whether DPDK's memory comes from hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hugepages {
    /// If the machine has enough of them.
    Auto,
    /// Always; without them Viaduct does not start.
    Require,
    /// Never.
    Never,
}

/// `[memory]`: what DPDK may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Where it comes from (startup-only). Default `auto`.
    pub hugepages: Hugepages,
    /// How much of it (startup-only). Default 512 MiB.
    pub size: Size,
    /// Number of packet buffers (startup-only). Default 16384.
    pub mbufs: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            hugepages: Hugepages::Auto,
            size: Size::mebibytes(512),
            mbufs: 16_384,
        }
    }
}
