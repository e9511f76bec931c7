//! What a worker does between bursts: expires, asks, probes, announces.

use arrayvec::ArrayVec;

use super::Worker;
use super::outgoing::Sent;
use crate::clock::Ticks;
use crate::frame::{BURST, Io};
use crate::neighbor;
use crate::verdict::DropReason;

impl<I: Io> Worker<I> {
    /// What is due by time rather than by packets.
    pub(super) fn keep_house(&mut self, now: Ticks) {
        self.attend(now);
        self.pipeline.sweep(now);
        self.send_resets();
        let mut failed = ArrayVec::<_, { neighbor::WAITING_ALL }>::new();
        self.pipeline
            .neighbors
            .tick(now, |frame| failed.push(frame));
        for frame in failed {
            self.drop_late(frame, DropReason::NeighborFailed);
        }
        self.give_up_fragments(now);
        self.ask_neighbors(now);
        while let Some(port) = self.notices.pop() {
            self.pipeline.link_came_up(port, now);
        }
        self.probe(now);
        self.announce(now);
        let holding = &self.pipeline.counters().holding;
        holding.set(self.pipeline.holding() as u64);
    }

    fn give_up_fragments(&mut self, now: Ticks) {
        // A tick gives up at most a burst of each family.
        let mut late = ArrayVec::<_, { 2 * BURST }>::new();
        self.pipeline.tick_fragments(now, |frame| late.push(frame));
        for frame in late {
            self.drop_late(frame, DropReason::FragmentTimeout);
        }
    }

    fn ask_neighbors(&mut self, now: Ticks) {
        while let Some(request) = self.pipeline.neighbors.next_request(now) {
            let Some(mut frame) = self.io.allocate() else {
                return;
            };
            if self.pipeline.write_request(&mut frame, request) {
                self.send_late(frame, request.route.interface, Sent::Originated);
            } else {
                self.recycle(frame);
            }
        }
    }

    /// Asks whether anybody else has our addresses.
    fn probe(&mut self, now: Ticks) {
        while let Some((interface, address)) = self.pipeline.next_probe(now) {
            let Some(mut frame) = self.io.allocate() else {
                return;
            };
            if self.pipeline.write_probe(&mut frame, interface, address) {
                self.send(frame, interface, Sent::Originated);
            } else {
                self.recycle(frame);
            }
        }
    }

    /// At most a burst in one turn.
    fn announce(&mut self, now: Ticks) {
        for _ in 0..BURST {
            let Some((interface, address)) = self.pipeline.next_announcement(now) else {
                return;
            };
            let Some(mut frame) = self.io.allocate() else {
                return;
            };
            if self
                .pipeline
                .write_announcement(&mut frame, interface, address)
            {
                self.send_late(frame, interface, Sent::Originated);
            } else {
                self.recycle(frame);
            }
        }
    }

    fn send_resets(&mut self) {
        while let Some(pending) = self.pipeline.next_reset() {
            let Some(mut frame) = self.io.allocate() else {
                return;
            };
            match self.pipeline.write_pending(&mut frame, &pending) {
                Some(interface) => self.send_late(frame, interface, Sent::Originated),
                None => self.recycle(frame),
            }
        }
    }
}
