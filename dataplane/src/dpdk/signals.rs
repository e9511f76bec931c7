//! What the TAP driver's signals need of the process.

use std::mem::MaybeUninit;
use std::ptr;

/// Keeps SIGIO from killing the process.
///
/// `net_tap` asks the kernel for a real-time signal per arriving packet. When the queue of pending
/// signals (RLIMIT_SIGPENDING) is full, the kernel sends plain SIGIO instead, and SIGIO's default
/// action is to terminate. Ignoring it loses nothing: the queue is full of the signals that make
/// the driver look. A handler that somebody installed stays.
pub(super) fn survive_sigio() {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action only queries; `current` is a valid place for the old one.
    let code = unsafe { libc::sigaction(libc::SIGIO, ptr::null(), current.as_mut_ptr()) };
    if code != 0 {
        return; // cannot happen for a valid signal number
    }
    // SAFETY: sigaction succeeded, so it filled `current`.
    let current = unsafe { current.assume_init() };
    if current.sa_sigaction == libc::SIG_DFL {
        // SAFETY: SIG_IGN runs no code of ours; SIGIO is a valid signal.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    }
}
