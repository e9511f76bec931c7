//! Rings of frames between workers.
//!
//! An inbox has any number of [`Producer`]s and exactly one [`Consumer`], as types: a second consumer does not
//! compile. The ring uses DPDK's relaxed-tail-sync enqueue, in which a producer that the kernel
//! has preempted half-way does not keep the others waiting; that happens where workers share a
//! CPU, as in test mode.

use std::ffi::{CString, NulError};
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys as sys;
use thiserror::Error;

use super::eal::Eal;
use super::errno::Errno;
use super::mbuf::Mbuf;
use crate::frame::{BURST, Burst};

/// Why there is no ring.
#[derive(Debug, Error)]
pub enum RingError {
    /// The name cannot be passed to C.
    #[error("ring name contains a NUL byte: {0}")]
    Name(#[from] NulError),
    /// DPDK refused.
    #[error("cannot create the ring `{name}` for {capacity} frames: {errno}")]
    Create {
        /// The ring.
        name: String,
        /// Frames asked for.
        capacity: u32,
        /// What DPDK said.
        errno: Errno,
    },
}

/// The ring itself; freed, with the frames still in it, when the last end is gone.
#[derive(Debug)]
struct Ring {
    ring: NonNull<sys::rte_ring>,
    _eal: Eal,
}

// SAFETY: the ring's memory is shared by design; who may enqueue and dequeue is decided by the ends.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

/// The end that puts frames in. Clone one for each worker.
#[derive(Clone, Debug)]
pub struct Producer(Arc<Ring>);

/// The end that takes frames out; there is one.
#[derive(Debug)]
pub struct Consumer(Arc<Ring>);

/// Creates a ring for exactly `capacity` frames.
///
/// # Errors
/// [`RingError`]; names must be unique in the process and short (28 bytes).
pub fn channel(eal: &Eal, name: &str, capacity: u32) -> Result<(Producer, Consumer), RingError> {
    let c_name = CString::new(name)?;
    let flags = sys::RING_F_MP_RTS_ENQ | sys::RING_F_SC_DEQ | sys::RING_F_EXACT_SZ;
    // SAFETY: EAL is up; the name is NUL-terminated and copied. Any NUMA node.
    let ring = unsafe { sys::rte_ring_create(c_name.as_ptr(), capacity, -1, flags) };
    let Some(ring) = NonNull::new(ring) else {
        return Err(RingError::Create {
            name: name.to_owned(),
            capacity,
            errno: Errno::last(),
        });
    };
    let ring = Arc::new(Ring {
        ring,
        _eal: eal.clone(),
    });
    Ok((Producer(Arc::clone(&ring)), Consumer(ring)))
}

impl Producer {
    /// Moves frames from the front of `frames` into the ring; what does not fit stays.
    pub fn send(&self, frames: &mut Burst<Mbuf>) {
        if frames.is_empty() {
            return;
        }
        let (first, count) = (frames.as_ptr().cast(), burst_len(frames));
        // SAFETY: the ring lives; `first` points to `count` owned buffers (`Mbuf` is transparent). Those that the
        // ring took are owned by it now, and `give_away` forgets them.
        let sent = unsafe { sys::vd_ring_enqueue_burst(self.0.ring.as_ptr(), first, count) };
        give_away(frames, sent);
    }
}

impl Consumer {
    /// Appends frames to `out`, as far as there are any and they fit.
    pub fn receive(&mut self, out: &mut Burst<Mbuf>) {
        let room = out.remaining_capacity() as u32; // at most BURST
        let places = free_places(out);
        // SAFETY: `&mut self` of the only consumer; there is room for `room` pointers, and DPDK writes no more.
        let count = unsafe { sys::vd_ring_dequeue_burst(self.0.ring.as_ptr(), places, room) };
        // SAFETY: `count` buffers, which entered the ring as owned `Mbuf`s and so are established.
        unsafe { take_over(out, count as usize) };
    }

    /// Frames in the ring.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: the ring lives; counting is safe from any thread.
        let count = unsafe { sys::vd_ring_count(self.0.ring.as_ptr()) };
        count as usize
    }

    /// Whether the ring is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut left = [std::ptr::null_mut(); BURST];
        loop {
            // SAFETY: the last end is gone, so nobody else dequeues; there is room for `BURST` pointers.
            let count = unsafe {
                sys::vd_ring_dequeue_burst(self.ring.as_ptr(), left.as_mut_ptr(), BURST as u32)
            };
            if count == 0 {
                break;
            }
            // SAFETY: the ring owned these buffers; now they go home.
            unsafe { sys::vd_free_bulk(left.as_mut_ptr(), count) };
        }
        // SAFETY: created by `channel`, used by nobody any more, EAL still up.
        unsafe { sys::rte_ring_free(self.ring.as_ptr()) };
    }
}

/// A burst's length, for C.
pub(super) fn burst_len(frames: &Burst<Mbuf>) -> u32 {
    frames.len() as u32 // at most BURST
}

/// Forgets the first `count` frames, which DPDK owns now, and moves the others to the front.
pub(super) fn give_away(frames: &mut Burst<Mbuf>, count: u32) {
    let count = (count as usize).min(frames.len());
    frames.drain(..count).for_each(std::mem::forget);
}

/// Where DPDK writes the buffers that are to be appended to `out`: room for its remaining capacity.
pub(super) fn free_places(out: &mut Burst<Mbuf>) -> *mut *mut sys::rte_mbuf {
    let length = out.len();
    out.as_mut_ptr().wrapping_add(length).cast()
}

/// Makes the first `count` of the [`free_places`] part of `out`.
///
/// # Safety
/// They hold live buffers that nobody else owns, and on which [`Mbuf::establish`] has run, or runs before anybody
/// reads them. `count` is at most the remaining capacity.
pub(super) unsafe fn take_over(out: &mut Burst<Mbuf>, count: usize) {
    debug_assert!(count <= out.remaining_capacity());
    // SAFETY: the caller guarantees valid values up to there (`Mbuf` is a transparent non-null pointer).
    unsafe { out.set_len(out.len() + count) };
}
