//! Frames that wait for the end of the turn to be sent by one port, and what they count as.

use arrayvec::ArrayVec;

use crate::counters::WorkerCounters;
use crate::frame::{BURST, Burst, Frame, Io};
use crate::verdict::DropReason;

/// Why a frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Somebody's packet, rewritten.
    Forward,
    /// An answer, made from what it answers.
    Reply,
    /// An answer to a packet that is dropped for this reason.
    Refusal(DropReason),
    /// For the host's own stack.
    Punt,
    /// From the host's own stack.
    FromHost,
    /// A packet of our own.
    Originated,
}

/// A burst in the making.
#[derive(Debug)]
pub(super) struct Outgoing<F> {
    frames: Burst<F>,
    kinds: ArrayVec<(Sent, u32), BURST>,
}

impl<F> Default for Outgoing<F> {
    fn default() -> Self {
        Self {
            frames: Burst::new(),
            kinds: ArrayVec::new(),
        }
    }
}

impl<F: Frame> Outgoing<F> {
    pub(super) fn is_full(&self) -> bool {
        self.frames.is_full()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Adds a frame; there must be room.
    #[inline]
    pub(super) fn push(&mut self, frame: F, kind: Sent) {
        self.kinds.push((kind, frame.bytes().len() as u32));
        self.frames.push(frame);
    }

    /// Sends all, and counts each frame as what it became. Returns what the port refused.
    pub(super) fn transmit<I: Io<Frame = F>>(
        &mut self,
        io: &mut I,
        port: usize,
        counters: &WorkerCounters,
    ) -> Option<Burst<F>> {
        io.transmit(port, &mut self.frames);
        let sent = self.kinds.len() - self.frames.len();
        for (n, (kind, len)) in self.kinds.drain(..).enumerate() {
            if n < sent {
                counters.ports[port].sent.count(len as usize);
            }
            count(counters, kind, n < sent);
        }
        (!self.frames.is_empty()).then(|| std::mem::take(&mut self.frames))
    }
}

fn count(counters: &WorkerCounters, kind: Sent, sent: bool) {
    let verdicts = &counters.verdicts;
    match kind {
        Sent::Refusal(reason) => {
            verdicts.dropped(reason).add(1);
            counters.refusals_sent.add(u64::from(sent));
        }
        Sent::Originated => counters.originated.add(u64::from(sent)),
        _ if !sent => verdicts.dropped(DropReason::TransmitQueue).add(1),
        Sent::Forward => verdicts.forward.add(1),
        Sent::Reply => verdicts.reply.add(1),
        Sent::Punt => verdicts.punt.add(1),
        Sent::FromHost => verdicts.from_host.add(1),
    }
}
