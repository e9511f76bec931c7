//! One packet buffer.
//!
//! An [`Mbuf`] is checked once, when it is taken over from a driver or a pool (`Mbuf::adopt`): from then on
//! `data_off + data_len <= buf_len` holds, the methods keep it, and reading needs no further check. A packet that
//! continues in further segments, whose buffer somebody else can see, or whose lengths contradict each other
//! shows no bytes and is not contiguous; the packet path drops it. `nb_segs`, `next` and `refcnt` are never
//! written, so that DPDK's own free finds every segment.

use std::ptr::NonNull;
use std::slice;

use dpdk_sys as sys;

use super::mempool::HEADROOM;
use crate::frame::{Frame, RxChecksum};

/// A packet buffer with one owner. Dropping it returns it to its pool; bursts are returned in one
/// call by [`crate::frame::Io::discard`].
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

// SAFETY: an `Mbuf` is the only owner of its buffer, and buffers are bound to no thread: returning one
// goes to the calling thread's own cache or to the pool's multi-producer ring.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes over a buffer and establishes what the methods rely on.
    ///
    /// # Safety
    /// `mbuf` is a live buffer of a pool of this process and nobody else owns it. Its `buf_addr` and `buf_len`
    /// describe memory that belongs to it (pools set them at creation; drivers do not change them).
    pub(super) unsafe fn adopt(mbuf: NonNull<sys::rte_mbuf>) -> Self {
        let mut mbuf = Self(mbuf);
        mbuf.establish();
        mbuf
    }

    /// The check of [`Mbuf::adopt`], for buffers that came as a burst.
    pub(super) fn establish(&mut self) {
        let header = self.header_mut();
        if !is_sound(header) {
            header.data_off = header.data_off.min(header.buf_len);
            header.data_len = 0;
            header.pkt_len = header.pkt_len.max(1); // so that it reads as not contiguous
        }
    }

    /// The hash that the port computed for this packet, if it did.
    #[must_use]
    pub fn rss_hash(&self) -> Option<u32> {
        let header = self.header();
        if header.ol_flags & sys::VD_MBUF_RX_RSS_HASH == 0 {
            return None;
        }
        // SAFETY: the outer union has this one member.
        let hash = unsafe { &header.__bindgen_anon_2.hash };
        // SAFETY: every bit pattern of the union is a valid `u32`.
        Some(unsafe { hash.rss })
    }

    fn header(&self) -> &sys::rte_mbuf {
        // SAFETY: live and ours (contract of `adopt`); nothing writes it while it is borrowed.
        unsafe { self.0.as_ref() }
    }

    fn header_mut(&mut self) -> &mut sys::rte_mbuf {
        // SAFETY: live and ours alone (contract of `adopt`).
        unsafe { self.0.as_mut() }
    }

    /// The first byte of the packet.
    fn start(&self) -> *mut u8 {
        let header = self.header();
        let base: *mut u8 = header.buf_addr.cast();
        // SAFETY: `establish` and every method keep `data_off <= buf_len`, the length of the memory at `buf_addr`.
        unsafe { base.add(usize::from(header.data_off)) }
    }

    /// Sets where the packet lies. The caller has checked that it fits the buffer.
    fn place(&mut self, data_off: u16, data_len: u16) {
        let header = self.header_mut();
        debug_assert!(u32::from(data_off) + u32::from(data_len) <= u32::from(header.buf_len));
        header.data_off = data_off;
        header.data_len = data_len;
        header.pkt_len = u32::from(data_len);
    }
}

/// One segment, inside of its buffer, seen by nobody else.
fn is_sound(header: &sys::rte_mbuf) -> bool {
    let end = u32::from(header.data_off) + u32::from(header.data_len);
    header.nb_segs == 1
        && header.refcnt == 1
        && header.ol_flags & sys::VD_MBUF_INDIRECT == 0
        && header.pkt_len == u32::from(header.data_len)
        && end <= u32::from(header.buf_len)
}

impl Frame for Mbuf {
    fn bytes(&self) -> &[u8] {
        let len = usize::from(self.header().data_len);
        // SAFETY: `data_off + data_len <= buf_len` (kept by `establish` and `place`); the bytes are ours, initialised
        // (pool memory is zeroed when mapped), and borrowed as long as `self` is.
        unsafe { slice::from_raw_parts(self.start(), len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let len = usize::from(self.header().data_len);
        // SAFETY: as in `bytes`; and with one reference and no indirection (`is_sound`) nobody else reads them.
        // A buffer that is not sound has `data_len` 0.
        unsafe { slice::from_raw_parts_mut(self.start(), len) }
    }

    fn prepend(&mut self, n: usize) -> bool {
        let header = self.header();
        let (offset, length) = (header.data_off, header.data_len);
        let Some(n) = u16::try_from(n).ok().filter(|&n| n <= offset) else {
            return false;
        };
        // Cannot overflow: n <= data_off, and data_off + data_len <= buf_len, a u16.
        if !self.is_contiguous() {
            return false;
        }
        self.place(offset - n, length + n);
        true
    }

    fn trim_front(&mut self, n: usize) {
        let header = self.header();
        let (offset, length) = (header.data_off, header.data_len);
        debug_assert!(n <= usize::from(length), "trim_front beyond the packet");
        if self.is_contiguous() {
            let n = u16::try_from(n).unwrap_or(length).min(length);
            self.place(offset + n, length - n);
        }
    }

    fn truncate(&mut self, len: usize) {
        let header = self.header();
        let (offset, length) = (header.data_off, header.data_len);
        match u16::try_from(len) {
            Ok(len) if len < length => self.place(offset, len),
            _ => {}
        }
    }

    fn assign(&mut self, bytes: &[u8]) -> bool {
        let buffer = self.header().buf_len;
        let offset = HEADROOM.min(buffer);
        let Some(length) = u16::try_from(bytes.len())
            .ok()
            .filter(|&n| n <= buffer - offset)
        else {
            return false;
        };
        if !self.is_contiguous() {
            return false;
        }
        self.place(offset, length);
        self.header_mut().ol_flags &= !sys::VD_MBUF_RX_IP_CKSUM_MASK;
        self.bytes_mut().copy_from_slice(bytes);
        true
    }

    fn is_contiguous(&self) -> bool {
        let header = self.header();
        header.nb_segs == 1 && header.pkt_len == u32::from(header.data_len)
    }

    fn note(&self) -> u32 {
        let header = self.header();
        // SAFETY: all members of the union are plain numbers of the same size.
        let hash = unsafe { &header.__bindgen_anon_2.hash };
        // SAFETY: likewise; whatever was written there is a number.
        unsafe { hash.rss }
    }

    fn set_note(&mut self, note: u32) {
        self.header_mut().__bindgen_anon_2.hash.rss = note;
        self.header_mut().ol_flags &= !sys::VD_MBUF_RX_RSS_HASH;
    }

    /// "None" (both bits: wrong in the packet, but its integrity is known) counts as unknown, because a checksum that is
    /// updated incrementally must be right to begin with.
    fn ip_checksum(&self) -> RxChecksum {
        match self.header().ol_flags & sys::VD_MBUF_RX_IP_CKSUM_MASK {
            sys::VD_MBUF_RX_IP_CKSUM_GOOD => RxChecksum::Good,
            sys::VD_MBUF_RX_IP_CKSUM_BAD => RxChecksum::Bad,
            _ => RxChecksum::Unknown,
        }
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        let mut mbuf = self.0.as_ptr();
        // SAFETY: live and ours alone; its pool lives, since memory is unmapped only when all buffers are home.
        unsafe { sys::vd_free_bulk(&raw mut mbuf, 1) };
    }
}

#[cfg(test)]
mod tests;
