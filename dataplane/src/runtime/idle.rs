//! What a worker does after a turn without packets.
//!
//! Sleeping is a system call, but only when there is nothing to do: the first packet after a rest
//! waits for the rest of one sleep, and from then on the worker polls.

use std::hint;
use std::thread;
use std::time::Duration;

use super::Idle;

/// Empty turns before the first sleep. At a few hundred nanoseconds each, a pause that a busy
/// sender makes now and then does not put the worker to sleep.
const SPINS: u32 = 256;
/// The first sleep.
const SHORTEST: Duration = Duration::from_micros(5);

/// How long the worker has been idle.
#[derive(Debug)]
pub(super) struct Backoff {
    idle: Idle,
    turns: u32,
    sleep: Duration,
}

impl Backoff {
    pub(super) fn new(idle: Idle) -> Self {
        Self {
            idle,
            turns: 0,
            sleep: SHORTEST,
        }
    }

    /// After a turn with packets.
    pub(super) fn reset(&mut self) {
        self.turns = 0;
        self.sleep = SHORTEST;
    }

    /// After a turn without.
    pub(super) fn rest(&mut self) {
        match self.next() {
            None => hint::spin_loop(),
            Some(sleep) => thread::sleep(sleep),
        }
    }

    fn next(&mut self) -> Option<Duration> {
        let Idle::Sleep(longest) = self.idle else {
            return None;
        };
        if self.turns < SPINS {
            self.turns += 1;
            return None;
        }
        let sleep = self.sleep.min(longest);
        self.sleep = (self.sleep * 2).min(longest);
        Some(sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spins_then_sleeps_longer_and_longer() {
        let longest = Duration::from_micros(30);
        let mut backoff = Backoff::new(Idle::Sleep(longest));
        assert!((0..SPINS).all(|_| backoff.next().is_none()));
        let sleeps: Vec<_> = (0..5)
            .filter_map(|_| backoff.next())
            .map(|s| s.as_micros())
            .collect();
        assert_eq!(sleeps, [5, 10, 20, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next(), None);
    }

    #[test]
    fn spinning_never_sleeps() {
        let mut backoff = Backoff::new(Idle::Spin);
        assert!((0..10 * SPINS).all(|_| backoff.next().is_none()));
    }
}
