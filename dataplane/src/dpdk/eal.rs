//! DPDK's environment abstraction layer (EAL): started once per process, ended with its last user.
//!
//! [`Eal`] is a handle; everything that lives in DPDK's memory holds one. Cleaning up unmaps that
//! memory, so it happens when the last handle goes, on the thread that started EAL, and only if every
//! packet buffer has come home. Otherwise the mapping stays for the kernel to take at exit: a leak
//! at the end of a process is harmless, an unmapped packet is not.
//!
//! EAL's helper threads inherit the affinity of the thread that starts it. [`Eal::init`] therefore insists
//! that the caller is pinned to the control core; no helper thread can then land on a worker's core.

use std::ffi::{CStr, CString, NulError, c_char, c_int};
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use dpdk_sys as sys;
use thiserror::Error;

use super::errno::Errno;
use super::log;
use super::mempool;
use super::options::EalOptions;
use super::signals;

/// Why EAL did not start.
#[derive(Debug, Error)]
pub enum EalError {
    /// EAL was started before in this process.
    #[error("DPDK can be started only once per process; start a new process")]
    AlreadyStarted,
    /// An argument cannot be passed to C.
    #[error("EAL argument contains a NUL byte: {0}")]
    Argument(#[from] NulError),
    /// The caller may run on other CPUs, and so would EAL's helper threads.
    #[error(
        "the control thread must be pinned to CPU {main_core} before DPDK starts, but may run on CPUs \
         {allowed}: is the CPU offline or outside of this process' cpuset?"
    )]
    NotPinned {
        /// The control core.
        main_core: u32,
        /// The kernel's list of CPUs that the caller may run on.
        allowed: String,
    },
    /// rte_eal_init failed.
    #[error("DPDK does not start: {errno}\n  arguments: {arguments}\n  DPDK's log:\n{log}")]
    Init {
        /// What EAL returned.
        errno: Errno,
        /// The complete argument vector.
        arguments: String,
        /// What EAL logged, indented.
        log: String,
    },
}

/// EAL has been started; it stays while a clone of this is alive.
#[derive(Clone, Debug)]
pub struct Eal(Arc<Running>);

#[derive(Debug)]
struct Running {
    starter: ThreadId,
    runtime_directory: Option<PathBuf>,
    startup_log: String,
    pools: Mutex<Vec<PoolRecord>>,
}

/// A pool and the number of buffers in it when all are home.
#[derive(Debug)]
struct PoolRecord {
    pool: NonNull<sys::rte_mempool>,
    buffers: u32,
}

// SAFETY: the pointer is only used to count buffers, which any thread may do.
unsafe impl Send for PoolRecord {}

static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts EAL on the calling thread, which must be pinned to `options.main_core`.
    ///
    /// # Errors
    /// [`EalError`], with DPDK's own log where DPDK refused. After a failure the process cannot try again.
    pub fn init(options: &EalOptions) -> Result<Self, EalError> {
        check_pinned(options.main_core)?;
        let mut arguments = Arguments::new(options)?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        signals::survive_sigio();
        let (code, log) = start(&mut arguments);
        let runtime_directory = runtime_directory();
        if code < 0 {
            remove_if_empty(runtime_directory.as_deref());
            return Err(EalError::Init {
                errno: Errno::last(),
                arguments: options.arguments().join(" "),
                log: log::indent(&log),
            });
        }
        Ok(Self(Arc::new(Running {
            starter: thread::current().id(),
            runtime_directory,
            startup_log: log,
            pools: Mutex::new(Vec::new()),
        })))
    }

    /// What DPDK logged while it started (warnings and worse), for the caller's log.
    #[must_use]
    pub fn startup_log(&self) -> &str {
        &self.0.startup_log
    }

    /// DPDK's version, as "DPDK 22.11.11".
    #[must_use]
    pub fn version(&self) -> String {
        // SAFETY: returns a static string.
        let text = unsafe { sys::rte_version() };
        // SAFETY: as above, NUL-terminated.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    }

    /// Remembers a pool, whose buffers must be home before memory is unmapped.
    pub(super) fn register_pool(&self, pool: NonNull<sys::rte_mempool>, buffers: u32) {
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.push(PoolRecord { pool, buffers });
    }
}

impl Running {
    /// Every buffer is back in its pool and nobody else can be moving one.
    ///
    /// A thread with a buffer cache of its own is either the starter, which is here, or registered,
    /// and then it holds an [`Eal`]. Any other thread returns buffers through the pool's ring, where
    /// the count grows by the return's last write.
    fn may_unmap(&mut self) -> bool {
        let pools = self.pools.get_mut().unwrap_or_else(PoisonError::into_inner);
        let whole = |record: &PoolRecord| mempool::available(record.pool) == record.buffers;
        thread::current().id() == self.starter && pools.iter().all(whole)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.may_unmap() {
            // SAFETY: EAL is up (this value exists) and down only here. No handle is left, so no port,
            // pool, ring or registered thread is; `may_unmap` says that no buffer is out either.
            unsafe { sys::rte_eal_cleanup() };
        }
        remove_if_empty(self.runtime_directory.as_deref());
    }
}

/// The argument vector. EAL permutes it and may keep pointers into it, so the strings are never freed;
/// there is one per process.
struct Arguments(Vec<*mut c_char>);

impl Arguments {
    fn new(options: &EalOptions) -> Result<Self, NulError> {
        let words = ["viaduct".to_owned()]
            .into_iter()
            .chain(options.arguments());
        let words: Vec<CString> = words.map(CString::new).collect::<Result<_, _>>()?;
        Ok(Self(words.into_iter().map(CString::into_raw).collect()))
    }
}

/// Runs rte_eal_init and collects what it logs.
fn start(arguments: &mut Arguments) -> (i32, String) {
    let count = c_int::try_from(arguments.0.len()).expect("an argument vector fits an int");
    log::install();
    // SAFETY: `count` NUL-terminated, writable, never freed strings; called once per process (`STARTED`).
    log::collect(|| unsafe { sys::rte_eal_init(count, arguments.0.as_mut_ptr()) })
}

/// EAL leaves its runtime directory behind. Only if it is empty: what the operator made DPDK put there is
/// the operator's.
fn remove_if_empty(directory: Option<&Path>) {
    if let Some(directory) = directory {
        let _ = fs::remove_dir(directory);
    }
}

/// Where EAL made its runtime directory, if it got that far.
fn runtime_directory() -> Option<PathBuf> {
    // SAFETY: reads a static buffer, which rte_eal_init fills, and which is empty before.
    let path = unsafe { sys::rte_eal_get_runtime_dir() };
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, NUL-terminated, static.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn check_pinned(main_core: u32) -> Result<(), EalError> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let allowed = allowed_cpus(&status);
    if allowed == main_core.to_string() {
        return Ok(());
    }
    Err(EalError::NotPinned {
        main_core,
        allowed: allowed.to_owned(),
    })
}

/// The value of `Cpus_allowed_list` in a `/proc/…/status`.
fn allowed_cpus(status: &str) -> &str {
    let mut values = status
        .lines()
        .filter_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    values.next().map_or("", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_cpu_list() {
        let status =
            "Name:\tviaduct\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed:\t1\n";
        assert_eq!(allowed_cpus(status), "0-1");
        assert_eq!(allowed_cpus("Name:\tviaduct\n"), "");
    }

    #[test]
    fn an_unpinned_caller_is_told_so() {
        let error = check_pinned(4096).expect_err("no machine pins this thread to CPU 4096");
        let text = error.to_string();
        assert!(text.contains("pinned to CPU 4096"), "{text}");
    }
}
