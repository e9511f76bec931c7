//! The thread of a worker: binds itself to its CPU, makes itself known to DPDK, and turns until told
//! to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::idle::Backoff;
use super::{Idle, Ready, StartError};
use crate::clock::{TICK, Ticks};
use crate::dpdk::{Clock, Eal, EalThread};

/// Tells the time in the data plane's ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct TickClock {
    clock: Clock,
    /// The time-stamp counter's steps in one tick.
    steps: u64,
}

impl TickClock {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            steps: clock.ticks(TICK).max(1),
        }
    }

    /// The time now. Wraps as [`Ticks`] do.
    pub(super) fn now(self) -> Ticks {
        Ticks((self.clock.now() / self.steps) as u32)
    }
}

/// Starts all workers, and waits until each is ready or one has failed; then all are stopped.
pub(super) fn start_all(
    workers: Vec<Ready>,
    eal: &Eal,
    clock: TickClock,
    idle: Idle,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let (report, reports) = channel();
    let mut threads = Vec::new();
    let mut result = Ok(());
    for ready in workers {
        let (id, report) = (ready.id, report.clone());
        let (eal, stop) = (eal.clone(), Arc::clone(stop));
        let body = move || run(ready, &eal, clock, idle, &stop, report);
        match Builder::new().name(format!("worker-{id}")).spawn(body) {
            Ok(thread) => threads.push(thread),
            Err(source) => result = Err(StartError::Spawn { worker: id, source }),
        }
    }
    drop(report);
    // Ends when every thread has reported.
    let result = reports.iter().fold(result, Result::and);
    if let Err(error) = result {
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            let _ = thread.join();
        }
        return Err(error);
    }
    Ok(threads)
}

type Report = Sender<Result<(), StartError>>;

fn run(
    mut ready: Ready,
    eal: &Eal,
    clock: TickClock,
    idle: Idle,
    stop: &AtomicBool,
    report: Report,
) {
    let _registered = match settle(&ready, eal) {
        Ok(registered) => registered,
        Err(error) => {
            // The starter may have given up already.
            let _ = report.send(Err(error));
            return;
        }
    };
    let _ = report.send(Ok(()));
    drop(report);
    let mut backoff = Backoff::new(idle);
    while !stop.load(Ordering::Relaxed) {
        if ready.worker.turn(clock.now()) > 0 {
            ready.counters.busy_turns.add(1);
            backoff.reset();
        } else {
            ready.counters.idle_turns.add(1);
            if !ready.worker.is_asked() {
                backoff.rest();
            }
        }
    }
    ready.worker.finish();
}

fn settle(ready: &Ready, eal: &Eal) -> Result<EalThread, StartError> {
    let (worker, core) = (ready.id, ready.core);
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Err(StartError::WorkerCore { worker, core });
    }
    EalThread::register(eal).map_err(|source| StartError::Register { worker, source })
}
