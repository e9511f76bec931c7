//! What the workers counted, as the suite names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataplane::counters::WorkerCounters;
use dataplane::verdict::DropReason;

/// Counts by name. What is zero is left out, so that equal tallies compare equal.
pub(super) type Tally = BTreeMap<String, i64>;

/// All counters by which packets end, summed over the workers.
pub(super) fn verdicts(workers: &[Arc<WorkerCounters>]) -> Tally {
    let mut tally = Tally::new();
    for worker in workers {
        let ends = &worker.verdicts;
        add(&mut tally, "forward", ends.forward.get());
        add(&mut tally, "reply", ends.reply.get());
        add(&mut tally, "handoff", ends.handoff.get());
        add(&mut tally, "absorb", ends.absorb.get());
        add(&mut tally, "hold", worker.holding.get());
        for &reason in DropReason::ALL {
            let name = format!("drop {}", reason.label());
            add(&mut tally, &name, ends.dropped(reason).get());
        }
    }
    tally
}

fn add(tally: &mut Tally, name: &str, count: u64) {
    *tally.entry(name.to_owned()).or_default() += count.cast_signed();
}

/// What was counted between two tallies.
pub(super) fn difference(before: &Tally, after: &Tally) -> Tally {
    let change = after.iter().map(|(name, count)| {
        let before = before.get(name).copied().unwrap_or_default();
        (name.clone(), count - before)
    });
    change.filter(|(_, count)| *count != 0).collect()
}

/// Where a worker's packets do not add up: arrived and ended, or waiting.
pub(super) fn imbalance(workers: &[Arc<WorkerCounters>]) -> Option<String> {
    let uneven = workers.iter().enumerate().find_map(|(number, worker)| {
        let (arrived, ended) = (worker.arrived(), worker.verdicts.total());
        let waiting = worker.holding.get();
        (arrived != ended + waiting).then_some((number, arrived, ended, waiting))
    });
    uneven.map(|(number, arrived, ended, waiting)| {
        format!("worker {number}: {arrived} packets arrived, {ended} ended and {waiting} wait")
    })
}
