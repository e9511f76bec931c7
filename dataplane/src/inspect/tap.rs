//! Watching packets: what a worker records, and how control gets it.
//!
//! ```text
//!             ┌────────── empty ◀─────────┐
//!    Tap ─────┤                           ├───── Recording
//!  (worker)   └─ full ──▶ (ArrayQueue) ───┘      (control)
//! ```
//! Samples circulate: their memory is allocated with the tap and comes back to it. A packet counts
//! as matching if it does so as it comes or as it leaves; then all of its points are recorded. A
//! sample for which there is no memory is counted, never waited for. It ends by number, by time or
//! when nobody reads any more, whichever is first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crossbeam::queue::ArrayQueue;

use super::facts::Facts;
use super::flows::Passage;
use super::matcher::Matcher;
use super::sample::{Event, Point, Points, Sample};
use crate::clock::{TickSpan, Ticks};
use crate::counters::Counter;
use crate::verdict::Verdict;
use crate::worker::WorkerId;

/// Memory of a worker's samples, in bytes, unless that are too few or too many samples.
const MEMORY: usize = 8 << 20;
const FEWEST: usize = 64;
const MOST: usize = 4096;

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct TapOrder {
    /// Which packets.
    pub matcher: Matcher,
    /// Where.
    pub points: Points,
    /// Bytes of each that are kept, at least 1.
    pub snaplen: usize,
    /// Packets that each worker records at most.
    pub packets: u64,
    /// For how long.
    pub span: TickSpan,
}

#[derive(Debug)]
struct Ring {
    empty: ArrayQueue<Sample>,
    full: ArrayQueue<Sample>,
    lost: Counter,
    /// The worker records.
    armed: AtomicBool,
    /// The worker records no more.
    ended: AtomicBool,
    /// Nobody reads any more.
    closed: AtomicBool,
}

/// The worker's end.
#[derive(Debug)]
pub struct Tap {
    order: TapOrder,
    ring: Arc<Ring>,
    worker: WorkerId,
    /// Packets that may still be recorded.
    left: u64,
    number: u64,
    until: Option<Ticks>,
    time: SystemTime,
    arrived: Snapshot,
    departing: Snapshot,
}

/// A copy of a frame.
#[derive(Debug)]
struct Snapshot {
    bytes: Vec<u8>,
    len: usize,
    port: Option<usize>,
    matches: bool,
}

/// Control's end. The tap ends when it is dropped.
#[derive(Debug)]
pub struct Recording {
    ring: Arc<Ring>,
}

impl Snapshot {
    fn new(snaplen: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(snaplen),
            len: 0,
            port: None,
            matches: false,
        }
    }

    fn take(&mut self, frame: &[u8], port: Option<usize>, matcher: &Matcher) {
        self.len = frame.len();
        self.port = port;
        copy(&mut self.bytes, frame);
        self.matches = matcher.accepts(&Facts::read(frame, port));
    }
}

/// Copies as much as there is room for, without asking for more.
fn copy(to: &mut Vec<u8>, from: &[u8]) {
    to.clear();
    to.extend_from_slice(&from[..from.len().min(to.capacity())]);
}

impl Tap {
    /// A tap for this worker, and the other end. All its memory is allocated now.
    #[must_use]
    pub fn new(worker: WorkerId, order: TapOrder) -> (Self, Recording) {
        let snaplen = order.snaplen.max(1);
        let samples = (MEMORY / snaplen).clamp(FEWEST, MOST);
        let empty = ArrayQueue::new(samples);
        for _ in 0..samples {
            // As many as there are places.
            let _ = empty.push(Sample::with_capacity(snaplen));
        }
        let ring = Arc::new(Ring {
            empty,
            full: ArrayQueue::new(samples),
            lost: Counter::default(),
            armed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let tap = Self {
            ring: Arc::clone(&ring),
            worker,
            left: order.packets,
            number: 0,
            until: None,
            time: SystemTime::UNIX_EPOCH,
            arrived: Snapshot::new(snaplen),
            departing: Snapshot::new(snaplen),
            order,
        };
        (tap, Recording { ring })
    }

    /// Starts the clock.
    pub(crate) fn arm(&mut self, now: Ticks) {
        self.until = Some(now.after(self.order.span));
        self.ring.armed.store(true, Ordering::Relaxed);
    }

    /// True if it records no more. Says so to control.
    pub(crate) fn is_over(&self, now: Ticks) -> bool {
        let is_late = |until: Ticks| now.since(until).0 <= u32::MAX / 2;
        let over = self.left == 0
            || self.until.is_some_and(is_late)
            || self.ring.closed.load(Ordering::Relaxed);
        if over {
            // Release: whoever sees it finds all samples in the queue.
            self.ring.ended.store(true, Ordering::Release);
        }
        over
    }

    /// A burst begins. The one reading of the wall clock for all its packets.
    pub(crate) fn begin_burst(&mut self) {
        self.time = SystemTime::now();
    }

    /// Notes a frame as it comes.
    pub(crate) fn arrives(&mut self, frame: &[u8], port: Option<usize>) {
        self.arrived.take(frame, port, &self.order.matcher);
        self.departing.matches = false;
    }

    /// Notes the same frame as it leaves by this port. True if it is recorded, either way.
    pub(crate) fn departs(&mut self, frame: &[u8], port: Option<usize>) -> bool {
        self.departing.take(frame, port, &self.order.matcher);
        self.is_wanted()
    }

    /// True if the frame that was noted last is recorded.
    pub(crate) fn is_wanted(&self) -> bool {
        self.left > 0 && (self.arrived.matches || self.departing.matches)
    }

    /// Records the frame that was noted last, which came to this.
    pub(crate) fn ends(&mut self, verdict: Verdict, passage: Option<Passage>) {
        if !self.is_wanted() {
            return;
        }
        self.left -= 1;
        self.number += 1;
        let number = self.number;
        let event = Event::Verdict(verdict);
        self.record(Point::Rx, number, event, passage);
        match verdict {
            Verdict::Forward(_) | Verdict::Reply(_) | Verdict::FromHost(_) => {
                self.record(Point::Tx, number, event, passage);
            }
            Verdict::Refuse(..) => {
                self.record(Point::Drop, number, event, passage);
                self.record(Point::Tx, number, event, passage);
            }
            Verdict::Drop(_) => self.record(Point::Drop, number, event, passage),
            Verdict::Punt(_) => self.record(Point::Punt, number, event, passage),
            Verdict::Handoff(_) | Verdict::Hold | Verdict::HoldFragment | Verdict::Absorb => {}
        }
    }

    /// Records a frame that is seen at this point only, if it is `known` to match or does.
    pub(crate) fn sees(
        &mut self,
        point: Point,
        frame: &[u8],
        port: Option<usize>,
        event: Event,
        known: bool,
    ) {
        self.departing.take(frame, port, &self.order.matcher);
        if self.left == 0 || !(known || self.departing.matches) {
            return;
        }
        if !known {
            self.left -= 1;
        }
        self.record_from(point, 0, event, None, false);
    }

    fn record(&self, point: Point, packet: u64, event: Event, passage: Option<Passage>) {
        self.record_from(point, packet, event, passage, point != Point::Tx);
    }

    fn record_from(
        &self,
        point: Point,
        packet: u64,
        event: Event,
        passage: Option<Passage>,
        as_it_came: bool,
    ) {
        if !self.order.points.has(point) {
            return;
        }
        let Some(mut sample) = self.ring.empty.pop() else {
            self.ring.lost.add(1);
            return;
        };
        let from = if as_it_came {
            &self.arrived
        } else {
            &self.departing
        };
        sample.worker = self.worker;
        sample.packet = packet;
        sample.time = self.time;
        sample.point = point;
        sample.port = from.port;
        sample.event = event;
        sample.passage = passage;
        sample.len = from.len;
        copy(&mut sample.bytes, &from.bytes);
        // There are as many places as samples.
        let _ = self.ring.full.push(sample);
    }
}

impl Recording {
    /// Shows the next sample to `read`, if there is one.
    pub fn next<R>(&mut self, read: impl FnOnce(&Sample) -> R) -> Option<R> {
        let sample = self.ring.full.pop()?;
        let result = read(&sample);
        // There are as many places as samples.
        let _ = self.ring.empty.push(sample);
        Some(result)
    }

    /// True once the worker records: packets that come from then on are seen.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.ring.armed.load(Ordering::Relaxed)
    }

    /// True if the worker records no more and all samples have been read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ring.ended.load(Ordering::Acquire) && self.ring.full.is_empty()
    }

    /// Samples for which there was no memory.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ring.lost.get()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Relaxed);
    }
}
