//! One worker: moves bursts from its queues through the pipeline and out again.
//!
//! A turn of its loop adopts a new table if there is one, takes one burst from each port and
//! from its inbox, lets the pipeline decide, and sends. Frames are owned by exactly one place at
//! a time; each ends in one counted verdict, when it leaves: a frame that a full queue refuses
//! counts as dropped, not as sent.
//!
//! A worker never waits, and shares nothing with others but its inbox of frames and its mailbox
//! of neighbors.

mod housekeeping;
mod inspect;
mod mail;
mod outgoing;

use std::fmt;
use std::sync::Arc;

use arrayvec::ArrayVec;
use crossbeam::queue::ArrayQueue;

use crate::clock::Ticks;
use crate::frame::{BURST, Burst, Frame, Io};
use crate::inspect::{Desk, Tap, Ticket};
use crate::neighbor::{self, Heard, QueueFull};
use crate::network::InterfaceIndex;
use crate::pipeline::{Admitted, Origin, Pipeline};
use crate::verdict::{DropReason, Verdict};
use outgoing::{Outgoing, Sent};

/// Number of a worker, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub u8);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What other workers have heard, for this worker to read.
pub type Mailbox = Arc<ArrayQueue<Heard>>;

/// Updates that a mailbox holds; more are dropped, and learned when they are asked for again.
const MAILBOX: usize = 1024;

/// A mailbox for each of `workers` workers.
#[must_use]
pub fn mailboxes(workers: usize) -> Vec<Mailbox> {
    (0..workers)
        .map(|_| Arc::new(ArrayQueue::new(MAILBOX)))
        .collect()
}

/// Ports whose links came up, for a worker to read.
pub type Notices = Arc<ArrayQueue<usize>>;

/// Notices that wait for a worker; it reads them in each turn.
const NOTICES: usize = 64;

/// A queue of notices.
#[must_use]
pub fn notices() -> Notices {
    Arc::new(ArrayQueue::new(NOTICES))
}

/// A worker, not yet running.
#[derive(Debug)]
pub struct Worker<I: Io> {
    id: WorkerId,
    io: I,
    pipeline: Pipeline<I::Frame>,
    mailboxes: Vec<Mailbox>,
    notices: Notices,
    outgoing: Vec<Outgoing<I::Frame>>,
    handoffs: Vec<Burst<I::Frame>>,
    discarded: Burst<I::Frame>,
    /// Where it is asked what goes on, if anybody may.
    desk: Option<Desk>,
    /// What it records, if anything.
    watch: Option<(Ticket, Box<Tap>)>,
}

impl<I: Io> Worker<I> {
    /// The worker `id` with its queues, its pipeline, and all workers' mailboxes.
    #[must_use]
    pub fn new(id: WorkerId, io: I, pipeline: Pipeline<I::Frame>, mailboxes: Vec<Mailbox>) -> Self {
        let outgoing = (0..io.ports()).map(|_| Outgoing::default()).collect();
        let handoffs = (0..io.workers()).map(|_| Burst::new()).collect();
        Self {
            id,
            io,
            pipeline,
            mailboxes,
            notices: notices(),
            outgoing,
            handoffs,
            discarded: Burst::new(),
            desk: None,
            watch: None,
        }
    }

    /// The same, that reads these notices.
    #[must_use]
    pub fn with_notices(self, notices: Notices) -> Self {
        Self { notices, ..self }
    }

    /// One turn: returns the number of packets that arrived.
    pub fn turn(&mut self, now: Ticks) -> usize {
        self.pipeline.refresh();
        self.read_mail(now);
        let mut arrived = 0;
        for port in 0..self.io.ports() {
            let mut burst = Burst::new();
            self.io.receive(port, &mut burst);
            self.count_received(port, &burst);
            arrived += burst.len();
            self.process(Origin::Port(port), burst, now);
        }
        arrived += self.process_handed_in(now);
        self.process_released(now);
        self.keep_house(now);
        self.flush();
        arrived
    }

    fn count_received(&self, port: usize, burst: &Burst<I::Frame>) {
        let received = &self.pipeline.counters().ports[port].received;
        received.packets.add(burst.len() as u64);
        received
            .bytes
            .add(burst.iter().map(|frame| frame.bytes().len() as u64).sum());
    }

    fn process_handed_in(&mut self, now: Ticks) -> usize {
        if self.io.workers() == 1 {
            return 0;
        }
        let mut burst = Burst::new();
        self.io.receive_handoff(&mut burst);
        let arrived = burst.len();
        self.pipeline.counters().handed_in.add(arrived as u64);
        self.process(Origin::Worker, burst, now);
        arrived
    }

    /// Goes on with fragments whose first one has come.
    fn process_released(&mut self, now: Ticks) {
        loop {
            let next = std::iter::from_fn(|| self.pipeline.next_released());
            let burst: Burst<I::Frame> = next.take(BURST).collect();
            if burst.is_empty() {
                return;
            }
            self.process(Origin::Worker, burst, now);
        }
    }

    /// Takes a burst through the pipeline, stage by stage, so that memory accesses overlap.
    fn process(&mut self, origin: Origin, burst: Burst<I::Frame>, now: Ticks) {
        if burst.is_empty() {
            return;
        }
        let admitted: ArrayVec<Admitted, BURST> = burst
            .iter()
            .map(|frame| self.pipeline.admit(origin, frame))
            .collect();
        for packet in &admitted {
            self.pipeline.prefetch(packet);
        }
        if self.watch.is_some() {
            self.process_watched(origin, burst, admitted, now);
        } else {
            for (mut frame, packet) in burst.into_iter().zip(admitted) {
                let verdict = self.pipeline.decide(&mut frame, packet, now);
                self.dispatch(frame, verdict, now);
            }
        }
        self.spread_learned(now);
    }

    /// Does what the verdict says, and returns what the frame has come to.
    #[inline]
    fn dispatch(&mut self, frame: I::Frame, verdict: Verdict, now: Ticks) -> Verdict {
        match verdict {
            Verdict::Forward(interface) => self.send(frame, interface, Sent::Forward),
            Verdict::Reply(interface) => self.send(frame, interface, Sent::Reply),
            Verdict::Handoff(worker) => self.hand_off(frame, worker),
            Verdict::Hold => return self.hold(frame),
            Verdict::HoldFragment => return self.hold_fragment(frame, now),
            Verdict::Refuse(reason, interface) => {
                self.send(frame, interface, Sent::Refusal(reason));
            }
            Verdict::Punt(interface) => return self.punt(frame, interface),
            Verdict::FromHost(interface) => self.send(frame, interface, Sent::FromHost),
            Verdict::Absorb | Verdict::Drop(_) => self.discard(frame, verdict),
        }
        verdict
    }

    #[inline]
    fn send(&mut self, frame: I::Frame, interface: InterfaceIndex, as_what: Sent) {
        let port = self.pipeline.network().interface(interface).port;
        self.push(frame, port, as_what);
    }

    #[inline]
    fn push(&mut self, frame: I::Frame, port: usize, as_what: Sent) {
        if self.outgoing[port].is_full() {
            self.transmit(port);
        }
        self.outgoing[port].push(frame, as_what);
    }

    fn punt(&mut self, frame: I::Frame, interface: InterfaceIndex) -> Verdict {
        match self.pipeline.network().interface(interface).host_port {
            Some(port) => {
                self.push(frame, port, Sent::Punt);
                Verdict::Punt(interface)
            }
            None => self.drop_at_once(frame, DropReason::NoService),
        }
    }

    fn drop_at_once(&mut self, frame: I::Frame, reason: DropReason) -> Verdict {
        self.discard(frame, Verdict::Drop(reason));
        Verdict::Drop(reason)
    }

    fn hand_off(&mut self, frame: I::Frame, worker: WorkerId) {
        let worker = usize::from(worker.0);
        if self.handoffs[worker].is_full() {
            self.pass_on(worker);
        }
        self.handoffs[worker].push(frame);
    }

    fn hold(&mut self, frame: I::Frame) -> Verdict {
        let neighbor = self.pipeline.held_for();
        let reason = match self.pipeline.neighbors.has_failed(neighbor) {
            true => DropReason::NeighborFailed,
            false => DropReason::NeighborQueue,
        };
        match self.pipeline.neighbors.wait(neighbor, frame) {
            Ok(()) => Verdict::Hold,
            Err(QueueFull(frame)) => self.drop_at_once(frame, reason),
        }
    }

    fn hold_fragment(&mut self, frame: I::Frame, now: Ticks) -> Verdict {
        match self.pipeline.hold_fragment(frame, now) {
            Ok(()) => Verdict::HoldFragment,
            Err(frame) => self.drop_at_once(frame, DropReason::FragmentQueue),
        }
    }

    /// Counts the end of a frame and gives its memory back.
    #[inline]
    fn discard(&mut self, frame: I::Frame, verdict: Verdict) {
        self.pipeline.counters().verdicts.count(verdict);
        self.recycle(frame);
    }

    fn recycle(&mut self, frame: I::Frame) {
        if self.discarded.is_full() {
            self.io.discard(&mut self.discarded);
        }
        self.discarded.push(frame);
    }

    /// Sends what waits for `port`. What the port refuses is dropped: it is full, and waiting
    /// would only make the queue before it overflow.
    fn transmit(&mut self, port: usize) {
        let Some(refused) =
            self.outgoing[port].transmit(&mut self.io, port, self.pipeline.counters())
        else {
            return;
        };
        for frame in refused {
            self.see_dropped(&frame, DropReason::TransmitQueue);
            self.recycle(frame);
        }
    }

    fn pass_on(&mut self, worker: usize) {
        let mut burst = std::mem::take(&mut self.handoffs[worker]);
        let before = burst.len();
        self.io.hand_off(worker, &mut burst);
        let taken = before - burst.len();
        self.pipeline.counters().verdicts.handoff.add(taken as u64);
        for frame in burst {
            self.drop_late(frame, DropReason::HandoffQueue);
        }
    }

    fn flush(&mut self) {
        for port in 0..self.outgoing.len() {
            if !self.outgoing[port].is_empty() {
                self.transmit(port);
            }
        }
        for worker in 0..self.handoffs.len() {
            if !self.handoffs[worker].is_empty() {
                self.pass_on(worker);
            }
        }
        if !self.discarded.is_empty() {
            self.io.discard(&mut self.discarded);
        }
    }

    /// Sends what is ready, and drops what waits for neighbors. For the end of a run.
    pub fn finish(&mut self) {
        let mut waiting = ArrayVec::<_, { neighbor::WAITING_ALL }>::new();
        self.pipeline.neighbors.drain(|frame| waiting.push(frame));
        for frame in waiting {
            self.discard(frame, Verdict::Drop(DropReason::Stopping));
        }
        let mut fragments = Vec::new();
        self.pipeline.drain_fragments(|frame| fragments.push(frame));
        for frame in fragments {
            self.discard(frame, Verdict::Drop(DropReason::Stopping));
        }
        self.pipeline.counters().holding.set(0);
        self.flush();
    }

    /// Its ports.
    pub fn io_mut(&mut self) -> &mut I {
        &mut self.io
    }

    /// Its pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline<I::Frame> {
        &self.pipeline
    }
}

#[cfg(test)]
mod tests;
