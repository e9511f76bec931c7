//! Runs a case: some workers over ports of memory, from a fresh start.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::frame::Frame;
use dataplane::offline::{MemoryFrame, MemoryIo, SharedWire, Wire};
use dataplane::pipeline::{Parts, Pipeline};
use dataplane::table::Table;
use dataplane::table::publication::{Publisher, channel};
use dataplane::worker::{Worker, WorkerId, mailboxes};

use super::suite::{Case, Setup, Step, Suite, Vary};
use super::tally::{Tally, difference, imbalance, verdicts};
use super::{setup, show, stations};

/// When cases begin. Not zero, so that nothing looks as if it had just happened.
const START: Ticks = Ticks(1000);

/// Turns after which workers that still have something to do go in circles.
const PATIENCE: usize = 10_000;

/// How a case went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was not as expected, for people; empty if everything was.
    pub failures: Vec<String>,
    /// Everything that left, with its port.
    pub sent: Vec<(usize, Vec<u8>)>,
}

/// Workers and what connects them, from a fresh start.
#[derive(Debug)]
pub struct Rig<'a> {
    setup: &'a Setup,
    setups: &'a BTreeMap<String, Setup>,
    workers: Vec<Worker<MemoryIo>>,
    counters: Vec<Arc<WorkerCounters>>,
    wire: SharedWire,
    tables: Publisher<Table>,
    now: Ticks,
    /// Answers of stations so far; each is absorbed.
    answers: i64,
}

/// Runs one case of a suite.
#[must_use]
pub fn run(suite: &Suite, case: &Case) -> Outcome {
    let mut rig = Rig::new(&suite.setups, &case.setup);
    let mut outcome = Outcome::default();
    for (number, step) in (1..).zip(&case.step) {
        let before = rig.counts();
        let sent = rig.step(step);
        let failures = judge(step, &sent, &before, &rig.counts());
        let with_place = |failure| format!("step {number}: {failure}");
        outcome
            .failures
            .extend(failures.into_iter().map(with_place));
        outcome
            .failures
            .extend(imbalance(&rig.counters).map(with_place));
        outcome.sent.extend(sent);
    }
    outcome
}

/// Everything that is counted and compared.
struct Counts {
    verdicts: Tally,
    flows_made: u64,
    flows_ended: u64,
}

impl<'a> Rig<'a> {
    /// The load balancer of a setup, with whose others steps may go on.
    ///
    /// # Panics
    /// There is no setup of this name: [`Suite::load`] has checked those of the cases.
    #[must_use]
    pub fn new(setups: &'a BTreeMap<String, Setup>, name: &str) -> Self {
        let setup = &setups[name];
        let network = Arc::new(setup::network(setup));
        let wire = Wire::new(setup.workers, setup.port.len());
        let (mut tables, readers) = channel(Table::default(), setup.workers);
        tables.publish(setup::table(setup));
        let slots = setup::backend_slots(setup);
        let new_counters = || Arc::new(WorkerCounters::new(setup.port.len(), slots));
        let counters: Vec<_> = (0..setup.workers).map(|_| new_counters()).collect();
        let mailboxes = mailboxes(setup.workers);
        let workers = readers.into_iter().zip(&counters).enumerate();
        let workers = workers.map(|(number, (reader, counters))| {
            let id = WorkerId(number as u8);
            let (network, counters) = (Arc::clone(&network), Arc::clone(counters));
            let pipeline = Pipeline::new(
                Parts {
                    worker: id,
                    network,
                    tables: reader,
                    counters,
                    flows: setup.flows,
                    half_open: setup.flows,
                    announces: false,
                    steering: Vec::new(),
                },
                START,
            );
            let io = MemoryIo::new(number, Rc::clone(&wire));
            Worker::new(id, io, pipeline, mailboxes.clone())
        });
        Self {
            setup,
            setups,
            workers: workers.collect(),
            counters,
            wire,
            tables,
            now: START,
            answers: 0,
        }
    }

    fn counts(&self) -> Counts {
        let sum = |of: fn(&WorkerCounters) -> u64| self.counters.iter().map(|c| of(c)).sum();
        let mut verdicts = verdicts(&self.counters);
        *verdicts.entry("absorb".to_owned()).or_default() -= self.answers;
        Counts {
            verdicts,
            flows_made: sum(|c| c.flows_created.get()),
            flows_ended: sum(|c| c.flows_ended.get()),
        }
    }

    /// Where the packets of a worker do not add up, if they do not.
    #[must_use]
    pub fn imbalance(&self) -> Option<String> {
        imbalance(&self.counters)
    }

    /// Takes a step, whatever it expects. What leaves, by port; without questions to stations,
    /// whose answers leave no trace in the counts either.
    pub fn step(&mut self, step: &Step) -> Vec<(usize, Vec<u8>)> {
        self.change(step);
        let span = step
            .advance
            .map(|period| TickSpan::from_duration(period.get()));
        let mut sent = Vec::new();
        for _ in 0..span.map_or(0, |span| span.0) {
            self.now = self.now.after(TickSpan(1));
            sent.extend(self.settle());
        }
        self.arrive(step);
        sent.extend(self.settle());
        if step.stop {
            self.workers.iter_mut().for_each(Worker::finish);
            sent.extend(self.collect(step.worker));
        }
        sent.sort_by_key(|(port, _)| *port);
        sent
    }

    fn change(&mut self, step: &Step) {
        if let Some(name) = &step.publish {
            self.tables.publish(setup::table(&self.setups[name]));
        }
        let mut wire = self.wire.borrow_mut();
        wire.transmit_limit = step.transmit_limit.unwrap_or(wire.transmit_limit);
        wire.inbox_limit = step.inbox_limit.unwrap_or(wire.inbox_limit);
    }

    fn arrive(&self, step: &Step) {
        let Some(bytes) = step.frame.as_ref().and_then(|frame| frame.bytes()) else {
            return;
        };
        let mut wire = self.wire.borrow_mut();
        let queue = &mut wire.arriving[step.worker][step.port];
        for number in 0..step.repeat {
            let bytes = varied(&bytes, &step.vary, number);
            let mut frame = match step.headroom {
                Some(headroom) => MemoryFrame::with_headroom(&bytes, headroom),
                None => MemoryFrame::new(&bytes),
            };
            if step.segmented {
                frame = frame.in_segments();
            }
            queue.push_back(frame);
        }
    }

    /// Lets all workers turn until nothing moves, with the stations answering.
    fn settle(&mut self) -> Vec<(usize, Vec<u8>)> {
        let (now, mut sent) = (self.now, Vec::new());
        for _ in 0..PATIENCE {
            let arrived: usize = self.workers.iter_mut().map(|worker| worker.turn(now)).sum();
            let answered = self.answers;
            sent.extend(self.collect(0));
            if arrived == 0 && self.answers == answered {
                break;
            }
        }
        sent
    }

    /// Takes what ports have sent; questions to stations are answered instead, by way of `worker`.
    fn collect(&mut self, worker: usize) -> Vec<(usize, Vec<u8>)> {
        let mut sent = Vec::new();
        let mut wire = self.wire.borrow_mut();
        for port in 0..wire.sent.len() {
            for frame in std::mem::take(&mut wire.sent[port]) {
                match stations::answer(&self.setup.stations, frame.bytes()) {
                    Some(answer) => {
                        wire.arriving[worker][port].push_back(MemoryFrame::new(&answer));
                        self.answers += 1;
                    }
                    None => sent.push((port, frame.bytes().to_vec())),
                }
            }
        }
        sent
    }
}

/// The frame as it is the `number`th time.
fn varied(bytes: &[u8], vary: &[Vary], number: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in vary {
        let word = bytes.get_mut(change.at..change.at + 2);
        if let Some([high, low]) = word {
            let grown = change.by.wrapping_mul(number.cast_signed());
            let value = u16::from_be_bytes([*high, *low]).wrapping_add(grown as u16);
            [*high, *low] = value.to_be_bytes();
        }
    }
    bytes
}

/// What is not as the step expects.
fn judge(step: &Step, sent: &[(usize, Vec<u8>)], before: &Counts, after: &Counts) -> Vec<String> {
    let mut failures = Vec::new();
    let counted = difference(&before.verdicts, &after.verdicts);
    if counted != step.verdicts {
        failures.push(format!("expected {:?}, counted {counted:?}", step.verdicts));
    }
    let flows = [
        ("made", step.flows_made, before.flows_made, after.flows_made),
        (
            "ended",
            step.flows_ended,
            before.flows_ended,
            after.flows_ended,
        ),
    ];
    for (what, expected, before, after) in flows {
        let counted = after.wrapping_sub(before).cast_signed();
        if counted != expected {
            failures.push(format!(
                "expected {expected} flows {what}, counted {counted}"
            ));
        }
    }
    match step.out_count {
        Some(count) if count == sent.len() => {}
        Some(count) => failures.push(format!("expected {count} frames, got {}", sent.len())),
        None => failures.extend(compare(step, sent)),
    }
    failures
}

/// Which frames are missing, too many or different.
fn compare(step: &Step, sent: &[(usize, Vec<u8>)]) -> Option<String> {
    let mut expected: Vec<_> = step.out.iter().collect();
    expected.sort_by_key(|out| out.port);
    let mut text = String::new();
    for index in 0..expected.len().max(sent.len()) {
        let number = index + 1;
        match (expected.get(index), sent.get(index)) {
            (Some(out), Some((port, got))) if out.port == *port && out.frame.matches(got) => {}
            (Some(out), Some((port, got))) => {
                let _ = writeln!(
                    text,
                    "frame {number} differs (expected by port {}, got by port {port})",
                    out.port
                );
                text += &show::differences(&out.frame, got);
                let _ = writeln!(
                    text,
                    "      expected {}",
                    show::summary(&out.frame.readable())
                );
                let _ = writeln!(text, "      got      {}", show::summary(got));
            }
            (Some(out), None) => {
                let frame = show::summary(&out.frame.readable());
                let _ = writeln!(text, "frame {number} is missing: {frame}");
            }
            (None, Some((_, got))) => {
                let _ = writeln!(text, "frame {number} is too many: {}", show::summary(got));
            }
            (None, None) => {}
        }
    }
    (!text.is_empty()).then(|| text.trim_end().to_owned())
}
