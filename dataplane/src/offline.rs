//! Ports on plain memory: the same packet path without DPDK, for packet cases, fuzzing and models
//! of several workers.
//!
//! A [`Wire`] is what connects the [`MemoryIo`]s of all workers to the outside: the test puts frames
//! into queues, runs turns, and takes out what was sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::frame::{Burst, Frame, Io, RxChecksum};

/// Room in front of a received packet, as DPDK's default.
const HEADROOM: usize = 128;

/// A packet in memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFrame {
    buffer: Vec<u8>,
    start: usize,
    capacity: usize,
    note: u32,
    contiguous: bool,
}

impl MemoryFrame {
    /// A frame with these bytes, and room for 2 KiB in all.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self::with_headroom(bytes, HEADROOM)
    }

    /// The same with only so much room in front, in bytes.
    #[must_use]
    pub fn with_headroom(bytes: &[u8], headroom: usize) -> Self {
        let mut buffer = vec![0; headroom];
        buffer.extend_from_slice(bytes);
        let capacity = buffer.len().max(headroom + 2048);
        Self {
            buffer,
            start: headroom,
            capacity,
            note: 0,
            contiguous: true,
        }
    }

    /// The frame as a receiver gives it whose buffers are too small: it says that it goes on in
    /// further segments.
    #[must_use]
    pub fn in_segments(self) -> Self {
        Self {
            contiguous: false,
            ..self
        }
    }
}

impl Frame for MemoryFrame {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.start;
        if fits {
            self.start -= n;
        }
        fits
    }

    fn trim_front(&mut self, n: usize) {
        assert!(
            n <= self.bytes().len(),
            "a frame is not trimmed beyond its end"
        );
        self.start += n;
    }

    fn truncate(&mut self, len: usize) {
        self.buffer.truncate(self.start + len);
    }

    fn assign(&mut self, bytes: &[u8]) -> bool {
        let fits = self.start + bytes.len() <= self.capacity;
        if fits {
            self.buffer.truncate(self.start);
            self.buffer.extend_from_slice(bytes);
        }
        fits
    }

    fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    fn note(&self) -> u32 {
        self.note
    }

    fn set_note(&mut self, note: u32) {
        self.note = note;
    }

    fn ip_checksum(&self) -> RxChecksum {
        RxChecksum::Unknown
    }
}

/// Queues between the workers and the outside, and between workers.
#[derive(Debug)]
pub struct Wire {
    /// Frames on their way in, by worker and port.
    pub arriving: Vec<Vec<VecDeque<MemoryFrame>>>,
    /// Frames sent, by port, in order.
    pub sent: Vec<Vec<MemoryFrame>>,
    /// Frames on their way to a worker from another, by worker.
    pub handed: Vec<VecDeque<MemoryFrame>>,
    /// Frames that a port takes in one burst; the rest is refused.
    pub transmit_limit: usize,
    /// Frames that an inbox holds.
    pub inbox_limit: usize,
    /// Frames given back without having been sent.
    pub discarded: usize,
}

/// Gives access to a wire from several workers in turn.
pub type SharedWire = Rc<RefCell<Wire>>;

impl Wire {
    /// A wire between this many workers and ports, without limits that bite.
    #[must_use]
    pub fn new(workers: usize, ports: usize) -> SharedWire {
        Rc::new(RefCell::new(Self {
            arriving: vec![vec![VecDeque::new(); ports]; workers],
            sent: vec![Vec::new(); ports],
            handed: vec![VecDeque::new(); workers],
            transmit_limit: usize::MAX,
            inbox_limit: usize::MAX,
            discarded: 0,
        }))
    }
}

/// One worker's end of a [`Wire`].
#[derive(Clone, Debug)]
pub struct MemoryIo {
    worker: usize,
    wire: SharedWire,
}

impl MemoryIo {
    /// The end of worker number `worker`.
    #[must_use]
    pub fn new(worker: usize, wire: SharedWire) -> Self {
        Self { worker, wire }
    }
}

fn fill(out: &mut Burst<MemoryFrame>, from: &mut VecDeque<MemoryFrame>) {
    let count = out.remaining_capacity().min(from.len());
    out.extend(from.drain(..count));
}

impl Io for MemoryIo {
    type Frame = MemoryFrame;

    fn ports(&self) -> usize {
        self.wire.borrow().sent.len()
    }

    fn workers(&self) -> usize {
        self.wire.borrow().handed.len()
    }

    fn receive(&mut self, port: usize, out: &mut Burst<MemoryFrame>) {
        fill(out, &mut self.wire.borrow_mut().arriving[self.worker][port]);
    }

    fn transmit(&mut self, port: usize, frames: &mut Burst<MemoryFrame>) {
        let mut wire = self.wire.borrow_mut();
        let count = wire.transmit_limit.min(frames.len());
        wire.sent[port].extend(frames.drain(..count));
    }

    fn receive_handoff(&mut self, out: &mut Burst<MemoryFrame>) {
        fill(out, &mut self.wire.borrow_mut().handed[self.worker]);
    }

    fn hand_off(&mut self, worker: usize, frames: &mut Burst<MemoryFrame>) {
        let mut wire = self.wire.borrow_mut();
        let room = wire.inbox_limit - wire.handed[worker].len();
        let count = room.min(frames.len());
        wire.handed[worker].extend(frames.drain(..count));
    }

    fn discard(&mut self, frames: &mut Burst<MemoryFrame>) {
        self.wire.borrow_mut().discarded += frames.len();
        frames.clear();
    }

    fn allocate(&mut self) -> Option<MemoryFrame> {
        Some(MemoryFrame::new(&[]))
    }
}
