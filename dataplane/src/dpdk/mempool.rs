//! Packet memory: a pool of equal buffers.
//!
//! A pool lives until EAL ends, because its buffers may be anywhere (in a NIC, a ring, a worker) and
//! do not say when they come home. Threads registered with EAL keep a cache of their own, so that taking and
//! returning a burst touches no shared memory.

use std::ffi::{CString, NulError, c_int};
use std::ptr::NonNull;

use dpdk_sys as sys;
use thiserror::Error;

use super::eal::Eal;
use super::errno::Errno;
use super::mbuf::Mbuf;

/// Room in front of a received packet's bytes.
pub const HEADROOM: u16 = sys::RTE_PKTMBUF_HEADROOM as u16;

/// Buffer size (with headroom) that holds any frame of an ordinary Ethernet.
pub const DEFAULT_DATA_ROOM: u16 = 2048 + HEADROOM;

/// Most buffers that one thread's cache may hold.
pub const MAX_CACHE: u32 = sys::RTE_MEMPOOL_CACHE_MAX_SIZE;

/// Why there is no pool.
#[derive(Debug, Error)]
pub enum MempoolError {
    /// The name cannot be passed to C.
    #[error("pool name contains a NUL byte: {0}")]
    Name(#[from] NulError),
    /// DPDK's limits on the cache (rte_mempool_create).
    #[error(
        "pool `{name}`: a cache of {cache} buffers per thread is too large for {mbufs} buffers; \
         at most {MAX_CACHE}, and 1.5 times the cache must fit the pool"
    )]
    Cache {
        /// The pool.
        name: String,
        /// Buffers asked for.
        mbufs: u32,
        /// Cache asked for.
        cache: u32,
    },
    /// Less room than the headroom that every packet has in front.
    #[error(
        "pool `{name}`: a data room of {data_room} bytes does not hold the headroom of {HEADROOM}"
    )]
    DataRoom {
        /// The pool.
        name: String,
        /// Data room asked for.
        data_room: u16,
    },
    /// DPDK refused.
    #[error(
        "cannot create the pool `{name}` of {mbufs} buffers of {data_room} bytes (about {mib} MiB): {errno}; \
         give DPDK more memory (memory.size) or ask for fewer buffers (memory.mbufs)"
    )]
    Create {
        /// The pool.
        name: String,
        /// Buffers asked for.
        mbufs: u32,
        /// Data room asked for.
        data_room: u16,
        /// What they take, without DPDK's own overhead.
        mib: u64,
        /// What DPDK said.
        errno: Errno,
    },
}

/// A handle on a pool of packet buffers.
#[derive(Clone, Debug)]
pub struct Mempool {
    pool: NonNull<sys::rte_mempool>,
    mbufs: u32,
    data_room: u16,
    _eal: Eal,
}

// SAFETY: DPDK's pool operations are safe from several threads (pools are created multi-producer,
// multi-consumer; a cache belongs to one registered thread). The pool lives as long as `_eal`.
unsafe impl Send for Mempool {}
// SAFETY: as above.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// Creates a pool of `mbufs` buffers with `data_room` bytes each ([`HEADROOM`] included), of which every
    /// registered thread may cache `cache`, on NUMA node `socket` (any if `None`).
    ///
    /// # Errors
    /// [`MempoolError`].
    pub fn new(
        eal: &Eal,
        name: &str,
        mbufs: u32,
        cache: u32,
        data_room: u16,
        socket: Option<u32>,
    ) -> Result<Self, MempoolError> {
        check_shape(name, mbufs, cache, data_room)?;
        let c_name = CString::new(name)?;
        let socket = socket
            .and_then(|socket| c_int::try_from(socket).ok())
            .unwrap_or(-1);
        // SAFETY: EAL is up; the name is NUL-terminated and copied.
        let pool = unsafe {
            sys::rte_pktmbuf_pool_create(c_name.as_ptr(), mbufs, cache, 0, data_room, socket)
        };
        let Some(pool) = NonNull::new(pool) else {
            return Err(create_error(name, mbufs, data_room));
        };
        eal.register_pool(pool, mbufs);
        Ok(Self {
            pool,
            mbufs,
            data_room,
            _eal: eal.clone(),
        })
    }

    /// Buffers in the pool when all are home.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.mbufs
    }

    /// Buffers at home: free, or in threads' caches. Exact only while nobody takes or returns any.
    #[must_use]
    pub fn available(&self) -> u32 {
        available(self.pool)
    }

    /// Bytes of a packet that fit one buffer behind the headroom.
    #[must_use]
    pub const fn room(&self) -> u16 {
        self.data_room - HEADROOM
    }

    /// Takes one empty frame, if there is one.
    #[must_use]
    pub fn allocate(&self) -> Option<Mbuf> {
        let mut mbuf: *mut sys::rte_mbuf = std::ptr::null_mut();
        // SAFETY: the pool lives (`_eal`); there is room for one pointer.
        let code = unsafe { sys::vd_alloc_bulk(self.pool.as_ptr(), &raw mut mbuf, 1) };
        let mbuf = NonNull::new(mbuf).filter(|_| code == 0)?;
        // SAFETY: just taken from the pool, reset by DPDK, and owned by nobody else.
        Some(unsafe { Mbuf::adopt(mbuf) })
    }

    /// Whether both handles mean one pool.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.pool == other.pool
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::rte_mempool {
        self.pool.as_ptr()
    }
}

/// Buffers at home in `pool`, which must exist.
pub(super) fn available(pool: NonNull<sys::rte_mempool>) -> u32 {
    // SAFETY: pools are never freed before EAL is, and callers hold an `Eal`; counting is safe from any thread.
    unsafe { sys::rte_mempool_avail_count(pool.as_ptr()) }
}

fn check_shape(name: &str, mbufs: u32, cache: u32, data_room: u16) -> Result<(), MempoolError> {
    let name = || name.to_owned();
    if cache > MAX_CACHE || u64::from(cache) * 3 > u64::from(mbufs) * 2 {
        return Err(MempoolError::Cache {
            name: name(),
            mbufs,
            cache,
        });
    }
    if data_room < HEADROOM {
        return Err(MempoolError::DataRoom {
            name: name(),
            data_room,
        });
    }
    Ok(())
}

fn create_error(name: &str, mbufs: u32, data_room: u16) -> MempoolError {
    let bytes = u64::from(mbufs) * (u64::from(data_room) + size_of::<sys::rte_mbuf>() as u64);
    MempoolError::Create {
        name: name.to_owned(),
        mbufs,
        data_room,
        mib: bytes.div_ceil(1 << 20),
        errno: Errno::last(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_dpdk_would_refuse_are_explained() {
        assert!(check_shape("p", 1024, 256, DEFAULT_DATA_ROOM).is_ok());
        let text = check_shape("p", 300, 256, DEFAULT_DATA_ROOM)
            .expect_err("too small")
            .to_string();
        assert!(
            text.contains("256 buffers per thread is too large for 300"),
            "{text}"
        );
        assert!(check_shape("p", 100_000, MAX_CACHE + 1, DEFAULT_DATA_ROOM).is_err());
        let text = check_shape("p", 1024, 0, 100)
            .expect_err("no headroom")
            .to_string();
        assert!(text.contains("does not hold the headroom of 128"), "{text}");
    }
}
