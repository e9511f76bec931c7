//! A port that never runs dry: gives the same packets again and again, and takes everything.

use dataplane::frame::{Burst, Frame, Io};
use dataplane::offline::MemoryFrame;

/// Frames in circulation: a few bursts, so that they stay in the cache as a NIC's would.
const FRAMES: usize = 256;

/// Gives packets from a list, in order, in recycled frames.
#[derive(Debug)]
pub(crate) struct Ring {
    packets: Vec<Vec<u8>>,
    next: usize,
    spare: Vec<MemoryFrame>,
    /// Frames are given only while this is above 0.
    pub(crate) budget: usize,
    /// What was sent last; for making replies.
    pub(crate) sent: Vec<Vec<u8>>,
    /// Whether to keep copies of what is sent.
    pub(crate) keep: bool,
}

impl Ring {
    pub(crate) fn new(packets: Vec<Vec<u8>>) -> Self {
        let spare = (0..FRAMES).map(|_| MemoryFrame::new(&[])).collect();
        Self {
            packets,
            next: 0,
            spare,
            budget: 0,
            sent: Vec::new(),
            keep: false,
        }
    }

    /// Gives these packets from now on.
    pub(crate) fn load(&mut self, packets: Vec<Vec<u8>>) {
        self.swap(packets);
    }

    /// Gives these packets from now on, and returns the ones before.
    pub(crate) fn swap(&mut self, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        self.next = 0;
        std::mem::replace(&mut self.packets, packets)
    }

    /// Number of packets in the list.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }
}

impl Io for Ring {
    type Frame = MemoryFrame;

    fn ports(&self) -> usize {
        1
    }

    fn workers(&self) -> usize {
        1
    }

    fn receive(&mut self, _: usize, out: &mut Burst<MemoryFrame>) {
        while !out.is_full() && self.budget > 0 {
            let Some(mut frame) = self.spare.pop() else {
                return;
            };
            let fits = frame.assign(&self.packets[self.next]);
            assert!(fits, "the benchmark's packets are small");
            self.next = (self.next + 1) % self.packets.len();
            self.budget -= 1;
            out.push(frame);
        }
    }

    fn transmit(&mut self, _: usize, frames: &mut Burst<MemoryFrame>) {
        if self.keep {
            self.sent
                .extend(frames.iter().map(|frame| frame.bytes().to_vec()));
        }
        self.spare.extend(frames.drain(..));
    }

    fn receive_handoff(&mut self, _: &mut Burst<MemoryFrame>) {}

    fn hand_off(&mut self, _: usize, _: &mut Burst<MemoryFrame>) {}

    fn discard(&mut self, frames: &mut Burst<MemoryFrame>) {
        self.spare.extend(frames.drain(..));
    }

    fn allocate(&mut self) -> Option<MemoryFrame> {
        self.spare.pop()
    }
}
