//! The clock of the packet path: the CPU's time-stamp counter, read once per loop, never per packet.

use std::time::Duration;

use dpdk_sys as sys;

use super::eal::Eal;

const NANOS: u128 = 1_000_000_000;

/// Reads the time-stamp counter and converts its ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    hz: u64,
}

impl Clock {
    /// The clock that EAL calibrated when it started.
    #[must_use]
    pub fn new(_eal: &Eal) -> Self {
        // SAFETY: EAL is up, so the frequency is known.
        let hz = unsafe { sys::rte_get_tsc_hz() };
        Self { hz: hz.max(1) }
    }

    /// Ticks since an arbitrary point, the same on all CPUs (invariant TSC).
    #[must_use]
    pub fn now(&self) -> u64 {
        // SAFETY: reads a counter.
        unsafe { sys::vd_rdtsc() }
    }

    /// Ticks per second.
    #[must_use]
    pub const fn hz(&self) -> u64 {
        self.hz
    }

    /// Ticks in `duration`, rounded down; the largest number if there is no such.
    #[must_use]
    pub fn ticks(&self, duration: Duration) -> u64 {
        let ticks = duration.as_nanos().saturating_mul(u128::from(self.hz)) / NANOS;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// How long `ticks` take, rounded down.
    #[must_use]
    pub fn duration(&self, ticks: u64) -> Duration {
        let (seconds, rest) = (ticks / self.hz, ticks % self.hz);
        let nanos = u128::from(rest) * NANOS / u128::from(self.hz); // below 10^9, as rest < hz
        Duration::new(seconds, nanos as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { hz: 2_500_000_000 };

    #[test]
    fn converts_both_ways() {
        assert_eq!(CLOCK.ticks(Duration::from_secs(2)), 5_000_000_000);
        assert_eq!(CLOCK.ticks(Duration::from_nanos(2)), 5);
        assert_eq!(CLOCK.duration(5_000_000_001), Duration::from_secs(2));
        assert_eq!(CLOCK.duration(5), Duration::from_nanos(2));
    }

    #[test]
    fn the_ends_of_the_range_do_not_wrap() {
        assert_eq!(CLOCK.ticks(Duration::MAX), u64::MAX);
        assert_eq!(CLOCK.duration(u64::MAX).as_secs(), u64::MAX / CLOCK.hz);
    }
}
