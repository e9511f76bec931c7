//! A worker under inspection: answers questions between bursts, and records packets while it is
//! asked to. See [`crate::inspect`].

use arrayvec::ArrayVec;

use super::Worker;
use super::outgoing::Sent;
use crate::clock::Ticks;
use crate::frame::{BURST, Burst, Frame, Io};
use crate::inspect::{Desk, Event, Explanation, NeighborPage, Point, Question};
use crate::network::InterfaceIndex;
use crate::pipeline::{Admitted, Origin};
use crate::verdict::{DropReason, Verdict};

/// Places of a flow table that are looked at in a turn. As long as a turn without packets may take.
const PLACES: usize = 512;
/// Neighbors that are copied in a turn.
const NEIGHBORS: usize = 64;

impl<I: Io> Worker<I> {
    /// The same worker, which answers what is asked at this desk.
    #[must_use]
    pub fn with_desk(self, desk: Desk) -> Self {
        Self {
            desk: Some(desk),
            ..self
        }
    }

    /// True while it has a question to work on and should not rest.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| !desk.is_idle())
    }

    /// Works on the present question for one turn's share, and ends a recording whose time is over.
    pub(super) fn attend(&mut self, now: Ticks) {
        if self.watch.is_some() {
            self.look_at_watch(now);
        }
        if self.is_asked() {
            self.answer(now);
        }
    }

    #[cold]
    fn look_at_watch(&mut self, now: Ticks) {
        let Some((_, tap)) = &mut self.watch else {
            return;
        };
        tap.begin_burst();
        let has_room = self.desk.as_ref().is_some_and(Desk::has_room);
        if tap.is_over(now) && has_room {
            self.give_watch_back();
        }
    }

    fn give_watch_back(&mut self) {
        if let (Some((ticket, tap)), Some(desk)) = (self.watch.take(), &mut self.desk) {
            desk.give((ticket, Question::Watch(tap)));
        }
    }

    #[cold]
    fn answer(&mut self, now: Ticks) {
        let Some((ticket, mut question)) = self.desk.as_mut().and_then(Desk::take) else {
            return;
        };
        let done = match &mut question {
            Question::Flows(page) => {
                if !page.is_done() {
                    self.pipeline.fill_page(page, PLACES, now);
                }
                page.is_done()
            }
            Question::Neighbors(page) => self.fill_neighbors(page, now),
            Question::Explain(explanation) => {
                self.explain(explanation, now);
                true
            }
            Question::Watch(tap) => !tap.is_over(now),
        };
        let Some(desk) = &mut self.desk else { return };
        match question {
            // One that is over already goes back, as does one that comes while another is at work.
            Question::Watch(mut tap) if done && self.watch.is_none() => {
                tap.arm(now);
                self.watch = Some((ticket, tap));
            }
            question @ Question::Watch(_) => desk.give((ticket, question)),
            question if done => desk.give((ticket, question)),
            question => desk.go_on((ticket, question)),
        }
    }

    /// True if the page is full or has the last neighbor.
    fn fill_neighbors(&self, page: &mut NeighborPage, now: Ticks) -> bool {
        let seen = page.first + page.neighbors.len();
        let room = page.neighbors.capacity() - page.neighbors.len();
        let entries = self.pipeline.neighbors.entries(seen, now);
        page.neighbors.extend(entries.take(room.min(NEIGHBORS)));
        let copied = page.first + page.neighbors.len() - seen;
        copied < NEIGHBORS || copied == room
    }

    fn explain(&mut self, explanation: &mut Explanation, now: Ticks) {
        // An answer that could not be given yet.
        if !explanation.steps.is_empty() {
            return;
        }
        let Some(mut frame) = self.io.allocate() else {
            return;
        };
        if frame.assign(&explanation.frame) {
            frame.set_note(explanation.note);
            explanation.steps = self.pipeline.explain(explanation.origin, &mut frame, now);
            explanation.note = frame.note();
            explanation.frame.clear();
            let room = explanation.frame.capacity();
            let left = frame.bytes();
            explanation
                .frame
                .extend_from_slice(&left[..left.len().min(room)]);
        }
        self.recycle(frame);
    }

    /// [`Self::process`]'s last stage while packets are recorded.
    #[cold]
    pub(super) fn process_watched(
        &mut self,
        origin: Origin,
        burst: Burst<I::Frame>,
        admitted: ArrayVec<Admitted, BURST>,
        now: Ticks,
    ) {
        let port = match origin {
            Origin::Port(port) => Some(port),
            Origin::Worker => None,
        };
        if let Some((_, tap)) = &mut self.watch {
            tap.begin_burst();
        }
        for (mut frame, packet) in burst.into_iter().zip(admitted) {
            if let Some((_, tap)) = &mut self.watch {
                tap.arrives(frame.bytes(), port);
            }
            let verdict = self.pipeline.decide(&mut frame, packet, now);
            self.note_departure(&mut frame, verdict);
            let ended = self.dispatch(frame, verdict, now);
            let passage = self.pipeline.passage_of(&packet, now);
            if let Some((_, tap)) = &mut self.watch {
                tap.ends(ended, passage);
            }
        }
    }

    /// Copies a frame as it leaves, and notes on it whether it is recorded: it may have to wait, or be
    /// dropped yet.
    fn note_departure(&mut self, frame: &mut I::Frame, verdict: Verdict) {
        let interface = match verdict {
            Verdict::Forward(interface)
            | Verdict::Reply(interface)
            | Verdict::FromHost(interface)
            | Verdict::Refuse(_, interface) => Some(interface),
            Verdict::Hold => Some(self.pipeline.neighbors.interface(self.pipeline.held_for())),
            _ => None,
        };
        let Some((_, tap)) = &mut self.watch else {
            return;
        };
        let port = interface.map(|index| self.pipeline.network().interface(index).port);
        if port.is_some() {
            let note = tap.departs(frame.bytes(), port);
            frame.set_note(note);
        }
    }

    /// Sends a frame that no arriving packet became, or that has waited.
    pub(super) fn send_late(&mut self, frame: I::Frame, interface: InterfaceIndex, as_what: Sent) {
        if self.watch.is_some() {
            let event = match as_what {
                Sent::Forward => Event::Released,
                _ => Event::Originated,
            };
            let port = self.pipeline.network().interface(interface).port;
            self.see(Point::Tx, &frame, Some(port), event);
        }
        self.send(frame, interface, as_what);
    }

    /// Drops a frame for a reason that came up after its verdict.
    pub(super) fn drop_late(&mut self, frame: I::Frame, reason: DropReason) {
        self.see_dropped(&frame, reason);
        self.discard(frame, Verdict::Drop(reason));
    }

    /// Records the end of a frame that is counted elsewhere.
    pub(super) fn see_dropped(&mut self, frame: &I::Frame, reason: DropReason) {
        if self.watch.is_some() {
            let event = Event::Verdict(Verdict::Drop(reason));
            self.see(Point::Drop, frame, None, event);
        }
    }

    #[cold]
    fn see(&mut self, point: Point, frame: &I::Frame, port: Option<usize>, event: Event) {
        if let Some((_, tap)) = &mut self.watch {
            let note = if event == Event::Originated {
                0
            } else {
                frame.note()
            };
            tap.sees(point, frame.bytes(), port, event, note);
        }
    }
}
