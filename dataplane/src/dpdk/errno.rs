//! DPDK's error numbers with their text.

use std::ffi::CStr;
use std::fmt;

use dpdk_sys as sys;

/// An error number of DPDK or the kernel (positive), shown as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// From a function that returns a negative error number.
    pub(super) const fn from_return(code: i32) -> Self {
        Self(code.saturating_neg())
    }

    /// The calling thread's `rte_errno`, for functions that return null or -1.
    pub(super) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Self(unsafe { sys::vd_errno() })
    }
}

/// `Ok` for zero and above, as DPDK's control functions mean it.
pub(super) fn check(code: i32) -> Result<(), Errno> {
    if code < 0 {
        return Err(Errno::from_return(code));
    }
    Ok(())
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror takes any number and returns a NUL-terminated string.
        let text = unsafe { sys::rte_strerror(self.0) };
        // SAFETY: as above; its thread-local buffer stays until this thread's next call, and is read now.
        let text = unsafe { CStr::from_ptr(text) };
        write!(f, "{} ({})", text.to_string_lossy(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_text_and_number() {
        assert_eq!(Errno(22).to_string(), "Invalid argument (22)");
    }

    #[test]
    fn negative_returns_are_errors() {
        assert_eq!(check(-12), Err(Errno(12)));
        assert_eq!(check(0), Ok(()));
        assert_eq!(check(7), Ok(()));
        assert_eq!(check(i32::MIN), Err(Errno(i32::MAX)));
    }
}
