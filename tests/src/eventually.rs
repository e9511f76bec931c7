//! Waiting for a condition with a deadline: the only place where the harness sleeps.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for anything on a busy two-core machine; nothing waits this long when it works.
pub const DEADLINE: Duration = Duration::from_secs(30);

const STEP: Duration = Duration::from_millis(50);

/// Waits until `attempt` gives a value.
///
/// # Panics
/// It has not within [`DEADLINE`]; the message has the last reason that `attempt` gave.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) => {
                assert!(
                    start.elapsed() < DEADLINE,
                    "waited {DEADLINE:?} for {what}: {reason}"
                );
            }
        }
        sleep(STEP);
    }
}

/// A reason to wait on, as long as `holds` is false.
///
/// # Errors
/// `holds` is false.
pub fn expect(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}
