//! The sending end of a source: turns the outcomes of reads into a [`SourceState`].
//!
//! It owns the rules that all sources share: a failed read leaves the last good snapshot alone,
//! a fault keeps the time at which it began, and the log gets one line per change of a fault
//! or of the problems, however often a read is tried.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tracing::{info, warn};

use super::{Fault, Source, SourceState};
use crate::desired::{Problem, Snapshot};

/// Publishes what one source reads.
#[derive(Debug)]
pub(super) struct Publisher {
    name: &'static str,
    state: watch::Sender<SourceState>,
}

impl Publisher {
    /// A publisher and the source that it feeds. `name` is the source's name.
    pub(super) fn new(name: &'static str) -> (Self, Source) {
        let (state, receiver) = watch::channel(SourceState::default());
        let source = Source {
            name: name.to_owned(),
            state: receiver,
        };
        (Self { name, state }, source)
    }

    /// Publishes a good read. A snapshot equal to the last one keeps its identity, so that
    /// receivers can tell by the pointer that nothing is new.
    pub(super) fn good(&self, snapshot: Snapshot) {
        let before = self.state.borrow().clone();
        self.log_recovery(before.fault.as_ref());
        self.log_problems(before.snapshot.as_deref(), &snapshot);
        let same = before.snapshot.filter(|old| **old == snapshot);
        let snapshot = same.unwrap_or_else(|| Arc::new(snapshot));
        self.state.send_modify(|state| {
            state.snapshot = Some(snapshot);
            state.read_at = Some(Instant::now());
            state.fault = None;
            state.reads_total += 1;
        });
    }

    /// Notes that a read found exactly what the last good one did. Receivers are woken only
    /// if that ends a fault.
    pub(super) fn unchanged(&self) {
        self.state.send_if_modified(|state| {
            state.read_at = Some(Instant::now());
            state.reads_total += 1;
            let fault = state.fault.take();
            self.log_recovery(fault.as_ref());
            fault.is_some()
        });
    }

    /// Publishes that a read failed or was refused; the last good snapshot stays.
    pub(super) fn failed(&self, message: String) {
        let before = self.state.borrow().fault.clone();
        if before.as_ref().is_none_or(|fault| fault.message != message) {
            warn!(source = self.name, "{message}");
        }
        let since = before.map_or_else(Instant::now, |fault| fault.since);
        self.state.send_modify(|state| {
            state.fault = Some(Fault { since, message });
            state.failures_total += 1;
        });
    }

    fn log_recovery(&self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            let seconds = fault.since.elapsed().as_secs();
            info!(source = self.name, seconds, "read again after a fault");
        }
    }

    fn log_problems(&self, before: Option<&Snapshot>, now: &Snapshot) {
        let known: &[Problem] = before.map_or(&[], |snapshot| &snapshot.problems);
        for problem in now
            .problems
            .iter()
            .filter(|problem| !known.contains(problem))
        {
            let Problem {
                subject,
                label,
                reason,
                port_index,
                ..
            } = problem;
            warn!(source = self.name, subject, label, port_index, "{reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_the_snapshot_and_when_the_fault_began() {
        let (publisher, source) = Publisher::new("test");
        publisher.good(Snapshot::default());
        publisher.failed("one".to_owned());
        let first = source.state.borrow().fault.clone().expect("a fault");
        publisher.failed("two".to_owned());
        let state = source.state.borrow().clone();
        let second = state.fault.expect("a fault");
        assert!(state.snapshot.is_some());
        assert_eq!(
            (second.since, second.message.as_str()),
            (first.since, "two")
        );
        assert_eq!((state.reads_total, state.failures_total), (1, 2));
    }

    #[test]
    fn an_equal_snapshot_is_the_same_one_and_ends_a_fault() {
        let (publisher, source) = Publisher::new("test");
        publisher.good(Snapshot::default());
        let before = source.state.borrow().snapshot.clone().expect("a snapshot");
        publisher.failed("broken".to_owned());
        publisher.good(Snapshot::default());
        let state = source.state.borrow().clone();
        assert!(Arc::ptr_eq(&before, &state.snapshot.expect("a snapshot")));
        assert!(state.fault.is_none());
    }

    #[test]
    fn an_unchanged_read_wakes_nobody_unless_it_ends_a_fault() {
        let (publisher, mut source) = Publisher::new("test");
        publisher.good(Snapshot::default());
        source.state.mark_unchanged();
        publisher.unchanged();
        assert!(!source.state.has_changed().expect("open"));
        assert_eq!(source.state.borrow().reads_total, 2);
        publisher.failed("broken".to_owned());
        source.state.mark_unchanged();
        publisher.unchanged();
        assert!(source.state.has_changed().expect("open"));
    }
}
