//! Where services come from. Each source is one task that owns its connection, its retries and
//! its judgement of what a good read is; it publishes a [`SourceState`] and nothing else.
//! A source never touches the forwarding table, the allocator or DNS, and never replaces a
//! good snapshot by the result of a bad read.

pub mod file;
pub mod marathon;
mod publisher;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::desired::Snapshot;

/// A fault of a source that is present now.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When it began.
    pub since: Instant,
    /// What failed, where, and what the operator can do.
    pub message: String,
}

/// What a source knows, and how it fares.
#[derive(Clone, Debug, Default)]
pub struct SourceState {
    /// The last good read; `None` until there is one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// When it was read.
    pub read_at: Option<Instant>,
    /// The present fault; cleared by the next good read.
    pub fault: Option<Fault>,
    /// Good reads since start.
    pub reads_total: u64,
    /// Failed or refused reads since start.
    pub failures_total: u64,
}

/// The receiving end of a source.
#[derive(Debug)]
pub struct Source {
    /// Name in status, metrics and logs.
    pub name: String,
    /// Its newest state.
    pub state: watch::Receiver<SourceState>,
}
