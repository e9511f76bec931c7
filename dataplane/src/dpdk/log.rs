//! DPDK's log: on standard error while packets flow, and in our hands while something starts, so that an error
//! can quote it and a success is not noisy.

use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dpdk_sys as sys;

/// Held while the log is collected: there is one collection at a time.
static COLLECTING: Mutex<()> = Mutex::new(());

/// Leads DPDK's log through our stream. Once per process, before EAL starts.
pub(super) fn install() {
    // SAFETY: opens a stream and tells DPDK, which needs no EAL for that. Without memory DPDK's own stays.
    unsafe { sys::vd_log_install() };
}

/// Runs `action`, and returns what DPDK logged meanwhile, from any thread.
pub(super) fn collect<T>(action: impl FnOnce() -> T) -> (T, String) {
    let collection = Collection::begin();
    let value = action();
    (value, collection.end())
}

/// The log is being collected; also ends when `action` panics.
struct Collection(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Collection {
    fn begin() -> Self {
        let guard = COLLECTING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: sets a flag under the shim's lock; the only collection, as we hold `COLLECTING`.
        unsafe { sys::vd_log_capture_begin() };
        Self(guard)
    }

    fn end(self) -> String {
        take()
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        take();
    }
}

/// Ends the collection, if there is one, and takes its text.
fn take() -> String {
    // SAFETY: resets the flag under the shim's lock and gives the text away.
    let text = unsafe { sys::vd_log_capture_end() };
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, NUL-terminated, ours.
    let copy = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: ours to free, and not used again.
    unsafe { sys::vd_log_free(text) };
    copy
}

/// The log as it appears in an error: indented lines.
pub(super) fn indent(log: &str) -> String {
    let lines: Vec<String> = log.lines().map(|line| format!("    {line}")).collect();
    if lines.is_empty() {
        return "    (nothing; run with `-- --log-level=debug` for more)".into();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_failure_says_how_to_learn_more() {
        assert_eq!(indent("EAL: a\nEAL: b\n"), "    EAL: a\n    EAL: b");
        assert!(indent("").contains("--log-level=debug"));
    }

    #[test]
    fn collecting_nothing_gives_nothing() {
        assert_eq!(collect(|| 7), (7, String::new()));
    }
}
