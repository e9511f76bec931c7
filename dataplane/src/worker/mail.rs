//! What workers tell each other: where neighbors are, and who claims an address of ours.

use arrayvec::ArrayVec;

use super::Worker;
use super::outgoing::Sent;
use crate::clock::Ticks;
use crate::frame::{Frame, Io};
use crate::neighbor::{self, Heard, NeighborUpdate};
use crate::wire::MacAddr;

impl<I: Io> Worker<I> {
    /// Tells the other workers what ARP and Neighbor Discovery have taught, and uses it.
    pub(super) fn spread_learned(&mut self, now: Ticks) {
        for heard in self.pipeline.take_learned() {
            for (worker, mailbox) in self.mailboxes.iter().enumerate() {
                if worker != usize::from(self.id.0) {
                    // A full mailbox loses the update; its owner asks again when it needs it.
                    let _ = mailbox.push(heard);
                }
            }
            self.take_in(heard, now);
        }
    }

    pub(super) fn read_mail(&mut self, now: Ticks) {
        while let Some(heard) = self.mailboxes[usize::from(self.id.0)].pop() {
            self.take_in(heard, now);
        }
    }

    fn take_in(&mut self, heard: Heard, now: Ticks) {
        match heard {
            Heard::Neighbor(update) => self.learn(update, now),
            Heard::Conflict(interface, address) => {
                self.pipeline.note_conflict(interface, address, now);
            }
        }
    }

    /// Sends the frames that waited for this neighbor.
    fn learn(&mut self, update: NeighborUpdate, now: Ticks) {
        let mut ready = ArrayVec::<_, { neighbor::WAITING_EACH }>::new();
        self.pipeline
            .neighbors
            .learn(update, now, |interface, mac, frame| {
                ready.push((interface, mac, frame));
            });
        for (interface, mac, mut frame) in ready {
            set_destination(&mut frame, mac);
            self.send_late(frame, interface, Sent::Forward);
        }
    }
}

/// Gives a waiting frame the address that it waited for.
fn set_destination<F: Frame>(frame: &mut F, mac: MacAddr) {
    if let Some(destination) = frame.bytes_mut().first_chunk_mut() {
        *destination = mac.0;
    }
}
