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

/// What is written on recorded frames: this, and the lower bits of their number.
const RECORDED: u32 = 0x7a9e_0000;
const NUMBER: u32 = 0xffff;

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
    /// A frame that is met after its burst, or that is no packet of a burst.
    later: Snapshot,
    /// Number of the frame that was noted last, if it is recorded.
    current: Option<u64>,
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
            later: Snapshot::new(snaplen),
            current: None,
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
        self.current = None;
        self.choose();
    }

    /// Notes the same frame as it leaves by this port. What it returns is to be written on the
    /// frame, so that it is known again.
    pub(crate) fn departs(&mut self, frame: &[u8], port: Option<usize>) -> u32 {
        self.departing.take(frame, port, &self.order.matcher);
        self.choose();
        let note = |number: u64| RECORDED | number as u32 & NUMBER;
        self.current.map_or(0, note)
    }

    /// Gives the frame that was noted last a number, if it matches.
    fn choose(&mut self) {
        let matches = self.arrived.matches || self.departing.matches;
        if self.current.is_none() && matches {
            self.current = self.next_number();
        }
    }

    /// A number for a packet, if it may still be recorded.
    fn next_number(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.number += 1;
        Some(self.number)
    }

    /// Number of the recorded packet that has this note: the latest that can be meant.
    fn recorded(&self, note: u32) -> Option<u64> {
        let ago = self.number as u32 & NUMBER;
        let ago = ago.wrapping_sub(note) & NUMBER;
        let number = self.number.checked_sub(u64::from(ago))?;
        (note & !NUMBER == RECORDED && number > 0).then_some(number)
    }

    /// Records the frame that was noted last, which came to this.
    pub(crate) fn ends(&mut self, verdict: Verdict, passage: Option<Passage>) {
        let Some(number) = self.current else {
            return;
        };
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

    /// Records a frame at a later point, if its `note` says that it is recorded, or it matches.
    pub(crate) fn sees(
        &mut self,
        point: Point,
        frame: &[u8],
        port: Option<usize>,
        event: Event,
        note: u32,
    ) {
        self.later.take(frame, port, &self.order.matcher);
        let known = self.recorded(note);
        let new = known.is_none() && self.later.matches;
        let number = if new { self.next_number() } else { known };
        if let Some(number) = number {
            self.record_from(&self.later, point, number, event, None);
        }
    }

    fn record(&self, point: Point, packet: u64, event: Event, passage: Option<Passage>) {
        let from = match point {
            Point::Tx => &self.departing,
            Point::Rx | Point::Drop | Point::Punt => &self.arrived,
        };
        self.record_from(from, point, packet, event, passage);
    }

    fn record_from(
        &self,
        from: &Snapshot,
        point: Point,
        packet: u64,
        event: Event,
        passage: Option<Passage>,
    ) {
        if !self.order.points.has(point) {
            return;
        }
        let Some(mut sample) = self.ring.empty.pop() else {
            self.ring.lost.add(1);
            return;
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

#[cfg(test)]
mod tests;
