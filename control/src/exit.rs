//! The exit codes of the `viaduct` binary. Scripts rely on them: they are part of its interface.

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to.
    Success = 0,
    /// It started, and something failed at run time.
    Failure = 1,
    /// The command line was wrong; nothing was started.
    Usage = 2,
    /// The configuration is broken; nothing was started.
    Configuration = 3,
    /// The API socket could not be reached: `viaduct run` does not run, or elsewhere.
    ApiUnreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
