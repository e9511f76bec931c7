//! Makes a thread of ours known to EAL.
//!
//! Only a registered thread has a buffer cache; any other goes to the pool's shared ring for every burst.

use std::marker::PhantomData;

use dpdk_sys as sys;
use thiserror::Error;

use super::eal::Eal;
use super::errno::Errno;

/// Why the thread is not registered.
#[derive(Debug, Error)]
pub enum ThreadError {
    /// The main thread, or one that registered before.
    #[error("this thread is known to DPDK already")]
    AlreadyRegistered,
    /// DPDK refused.
    #[error(
        "DPDK does not take another thread: {0}; at most {max} threads can be registered at a time",
        max = sys::RTE_MAX_LCORE - 1
    )]
    Register(Errno),
}

/// The calling thread is registered while this lives. Bound to the thread:
///
/// ```compile_fail
/// fn moves_between_threads<T: Send>() {}
/// moves_between_threads::<dataplane::dpdk::EalThread>();
/// ```
#[derive(Debug)]
pub struct EalThread {
    _eal: Eal,
    _bound: PhantomData<*const ()>,
}

impl EalThread {
    /// Registers the calling thread. Its affinity should be set before: EAL remembers it.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub fn register(eal: &Eal) -> Result<Self, ThreadError> {
        if lcore() != sys::VD_LCORE_ID_ANY {
            return Err(ThreadError::AlreadyRegistered);
        }
        // SAFETY: EAL is up, and does not know this thread.
        let code = unsafe { sys::rte_thread_register() };
        if code < 0 {
            return Err(ThreadError::Register(Errno::last()));
        }
        Ok(Self {
            _eal: eal.clone(),
            _bound: PhantomData,
        })
    }

    /// The number under which EAL knows the thread: the index of its buffer cache.
    #[must_use]
    pub fn lcore(&self) -> u32 {
        lcore()
    }
}

impl Drop for EalThread {
    fn drop(&mut self) {
        // SAFETY: registered by `register` on this very thread (the type is not `Send`), and EAL is up (`_eal`).
        unsafe { sys::rte_thread_unregister() };
    }
}

fn lcore() -> u32 {
    // SAFETY: reads a thread-local integer.
    unsafe { sys::vd_lcore_id() }
}
