//! Frames of a fixed pool, and the ports of a worker that moves them.

use std::collections::VecDeque;

use dataplane::frame::{Burst, Frame, Io, RxChecksum};

const SIZE: usize = 2048;
const HEADROOM: usize = 128;
const POOL: usize = 4096;

/// A frame of the pool.
pub(crate) struct PoolFrame {
    buffer: Box<[u8; SIZE]>,
    start: usize,
    end: usize,
    note: u32,
}

impl Frame for PoolFrame {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }
    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.start;
        self.start -= if fits { n } else { 0 };
        fits
    }
    fn trim_front(&mut self, n: usize) {
        self.start += n;
    }
    fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }
    fn assign(&mut self, bytes: &[u8]) -> bool {
        let fits = self.start + bytes.len() <= SIZE;
        if fits {
            self.end = self.start + bytes.len();
            self.bytes_mut().copy_from_slice(bytes);
        }
        fits
    }
    fn is_contiguous(&self) -> bool {
        true
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

/// One port, and an inbox of another worker that swallows what it is given.
pub(crate) struct PoolIo {
    /// Frames that nobody has.
    pub(crate) free: Vec<PoolFrame>,
    /// Frames on their way in.
    pub(crate) arriving: VecDeque<PoolFrame>,
    /// Frames sent, until the test takes them back.
    pub(crate) sent: Vec<PoolFrame>,
    workers: usize,
}

impl PoolIo {
    /// A port of one of these many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let frame = || PoolFrame {
            buffer: Box::new([0; SIZE]),
            start: HEADROOM,
            end: HEADROOM,
            note: 0,
        };
        Self {
            free: (0..POOL).map(|_| frame()).collect(),
            arriving: VecDeque::with_capacity(POOL),
            sent: Vec::with_capacity(POOL),
            workers,
        }
    }
}

impl Io for PoolIo {
    type Frame = PoolFrame;

    fn ports(&self) -> usize {
        1
    }
    fn workers(&self) -> usize {
        self.workers
    }
    fn receive(&mut self, _: usize, out: &mut Burst<PoolFrame>) {
        let count = out.remaining_capacity().min(self.arriving.len());
        out.extend(self.arriving.drain(..count));
    }
    fn transmit(&mut self, _: usize, frames: &mut Burst<PoolFrame>) {
        self.sent.extend(frames.drain(..));
    }
    fn receive_handoff(&mut self, _: &mut Burst<PoolFrame>) {}
    fn hand_off(&mut self, _: usize, frames: &mut Burst<PoolFrame>) {
        self.free.extend(frames.drain(..));
    }
    fn discard(&mut self, frames: &mut Burst<PoolFrame>) {
        self.free.extend(frames.drain(..));
    }
    fn allocate(&mut self) -> Option<PoolFrame> {
        let mut frame = self.free.pop()?;
        (frame.start, frame.end) = (HEADROOM, HEADROOM);
        Some(frame)
    }
}
