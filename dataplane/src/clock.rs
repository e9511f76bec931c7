//! The data plane's notion of time: coarse, monotonic, read once per turn of a worker.

use std::time::Duration;

/// Length of a tick.
pub const TICK: Duration = Duration::from_millis(100);

/// A point in time, in ticks of 100 ms since an arbitrary start. Wraps after 13 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks(pub u32);

/// A span of time in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TickSpan(pub u32);

impl Ticks {
    /// Time since `earlier`, which must not be later than `self`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> TickSpan {
        TickSpan(self.0.wrapping_sub(earlier.0))
    }

    /// The point `span` later.
    #[must_use]
    pub const fn after(self, span: TickSpan) -> Self {
        Self(self.0.wrapping_add(span.0))
    }
}

impl TickSpan {
    /// The span, rounded up to whole ticks; at least one, at most half the clock's range.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        let ticks = duration.as_millis().div_ceil(TICK.as_millis());
        Self(ticks.clamp(1, u128::from(u32::MAX / 2)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_round_up_and_survive_the_wrap() {
        assert_eq!(
            TickSpan::from_duration(Duration::from_millis(101)),
            TickSpan(2)
        );
        assert_eq!(TickSpan::from_duration(Duration::ZERO), TickSpan(1));
        assert_eq!(
            TickSpan::from_duration(Duration::MAX),
            TickSpan(u32::MAX / 2)
        );
        let late = Ticks(u32::MAX - 1);
        assert_eq!(late.after(TickSpan(5)).since(late), TickSpan(5));
    }
}
