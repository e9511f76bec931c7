//! The two queues between control and each worker.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::explain::Explanation;
use super::flows::FlowPage;
use super::neighbors::NeighborPage;
use super::tap::Tap;
use crate::worker::WorkerId;

/// Questions that wait for a worker, and answers that wait for control.
const PLACES: usize = 8;

/// What a worker is asked. The answer is filled in.
#[derive(Debug)]
pub enum Question {
    /// Which flows there are.
    Flows(Box<FlowPage>),
    /// Which neighbors there are.
    Neighbors(Box<NeighborPage>),
    /// What would become of a packet.
    Explain(Box<Explanation>),
    /// To watch packets. It comes back when that is over.
    Watch(Box<Tap>),
}

/// Tells the answers to one question from those to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// A worker has as many questions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worker {0} has not answered earlier questions yet")]
pub struct Busy(pub WorkerId);

#[derive(Clone, Debug)]
struct Line {
    questions: Arc<ArrayQueue<(Ticket, Question)>>,
    answers: Arc<ArrayQueue<(Ticket, Question)>>,
}

/// Control's end.
#[derive(Debug)]
pub struct Inspector {
    lines: Vec<Line>,
    asked: u64,
}

/// A worker's end.
#[derive(Debug)]
pub struct Desk {
    line: Line,
    current: Option<(Ticket, Question)>,
}

/// The ends of the queues between control and this many workers.
#[must_use]
pub fn desks(workers: usize) -> (Inspector, Vec<Desk>) {
    let line = || Line {
        questions: Arc::new(ArrayQueue::new(PLACES)),
        answers: Arc::new(ArrayQueue::new(PLACES)),
    };
    let lines: Vec<_> = std::iter::repeat_with(line).take(workers).collect();
    let desk = |line: &Line| Desk {
        line: line.clone(),
        current: None,
    };
    let desks = lines.iter().map(desk).collect();
    (Inspector { lines, asked: 0 }, desks)
}

impl Inspector {
    /// Number of workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.lines.len()
    }

    /// Asks a worker, which answers in its next turns.
    ///
    /// # Errors
    /// [`Busy`], also for a worker that there is not.
    pub fn ask(&mut self, worker: WorkerId, question: Question) -> Result<Ticket, Busy> {
        self.asked += 1;
        let ticket = Ticket(self.asked);
        let line = self.lines.get(usize::from(worker.0)).ok_or(Busy(worker))?;
        let asked = line.questions.push((ticket, question));
        asked.map(|()| ticket).map_err(|_| Busy(worker))
    }

    /// True if a worker can be asked.
    #[must_use]
    pub fn has_room(&self, worker: WorkerId) -> bool {
        let line = self.lines.get(usize::from(worker.0));
        line.is_some_and(|line| !line.questions.is_full())
    }

    /// The next answer of a worker, if there is one. Answers that nobody waits for any more come
    /// too, and are freed by being taken.
    #[must_use]
    pub fn answer(&mut self, worker: WorkerId) -> Option<(Ticket, Question)> {
        self.lines.get(usize::from(worker.0))?.answers.pop()
    }
}

impl Desk {
    /// True if there is nothing to do.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.line.questions.is_empty()
    }

    /// Takes the question to work on: the one that was put [back](Self::go_on), else the next.
    pub(crate) fn take(&mut self) -> Option<(Ticket, Question)> {
        self.current.take().or_else(|| self.line.questions.pop())
    }

    /// Puts a question back that takes another turn.
    pub(crate) fn go_on(&mut self, question: (Ticket, Question)) {
        self.current = Some(question);
    }

    /// Gives an answer. One for which there is no room is kept, and offered again by
    /// [`Self::take`].
    pub(crate) fn give(&mut self, answer: (Ticket, Question)) {
        if let Err(answer) = self.line.answers.push(answer) {
            self.current = Some(answer);
        }
    }

    /// True if an answer would find room.
    pub(crate) fn has_room(&self) -> bool {
        !self.line.answers.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question::Neighbors(Box::new(NeighborPage::new(0, 1)))
    }

    #[test]
    fn a_question_comes_back_with_its_ticket() {
        let (mut inspector, mut desks) = desks(2);
        let ticket = inspector.ask(WorkerId(1), question()).expect("room");
        assert!(desks[0].is_idle() && !desks[1].is_idle());
        let taken = desks[1].take().expect("a question");
        desks[1].go_on(taken);
        assert!(!desks[1].is_idle());
        let taken = desks[1].take().expect("the same");
        desks[1].give(taken);
        assert!(desks[1].is_idle());
        let (answered, _) = inspector.answer(WorkerId(1)).expect("an answer");
        assert_eq!(answered, ticket);
        assert!(inspector.answer(WorkerId(1)).is_none());
    }

    #[test]
    fn queues_are_bounded_and_no_answer_is_lost() {
        let (mut inspector, mut desks) = desks(1);
        let mut asked = 0;
        while inspector.ask(WorkerId(0), question()).is_ok() {
            asked += 1;
            if asked > PLACES {
                let next = desks[0].take().expect("a question");
                desks[0].give(next);
            }
            assert!(asked < 10 * PLACES, "the queues have no bound");
        }
        let mut answered = 0;
        loop {
            while inspector.answer(WorkerId(0)).is_some() {
                answered += 1;
            }
            match desks[0].take() {
                Some(next) => desks[0].give(next),
                None => break,
            }
        }
        assert_eq!(answered, asked);
        assert!(inspector.ask(WorkerId(1), question()).is_err());
    }
}
