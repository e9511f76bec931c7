//! A pair of a receive and a transmit queue: what one worker polls of one port.

use std::sync::Arc;

use dpdk_sys as sys;

use super::device::Device;
use super::mbuf::Mbuf;
use super::ring::{burst_len, free_places, give_away, take_over};
use crate::frame::Burst;

/// One queue pair. Handed out once by [`super::port::Port::take_queues`], so that no two threads are ever in a
/// burst on the same queue, which DPDK forbids. It can move between threads, but has one owner:
///
/// ```compile_fail
/// fn clones<T: Clone>() {}
/// clones::<dataplane::dpdk::Queue>();
/// ```
#[derive(Debug)]
pub struct Queue {
    port: u16,
    index: u16,
    /// Keeps the port open while the queue is polled.
    _device: Arc<Device>,
}

impl Queue {
    pub(super) fn new(device: &Arc<Device>, index: u16) -> Self {
        Self {
            port: device.id(),
            index,
            _device: Arc::clone(device),
        }
    }

    /// The queue's number on its port.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Appends to `out` what has arrived, as far as it fits.
    pub fn receive(&mut self, out: &mut Burst<Mbuf>) {
        let (old, room) = (out.len(), out.remaining_capacity() as u16); // at most BURST
        if room == 0 {
            return;
        }
        let places = free_places(out);
        // SAFETY: started port, a queue of it that only this value polls (`&mut self`); there is room for `room`
        // pointers, and the driver writes no more.
        let count = unsafe { sys::vd_rx_burst(self.port, self.index, places, room) };
        // SAFETY: `count` live buffers of the port's pool, which the driver owns no more; established below.
        unsafe { take_over(out, usize::from(count)) };
        for mbuf in &mut out[old..] {
            mbuf.establish();
        }
    }

    /// Sends `frames` in order; what the driver does not take stays in `frames`.
    pub fn transmit(&mut self, frames: &mut Burst<Mbuf>) {
        if frames.is_empty() {
            return;
        }
        let (first, count) = (frames.as_mut_ptr().cast(), burst_len(frames) as u16);
        // SAFETY: started port, a queue of it that only this value fills (`&mut self`); `first` points to `count` owned
        // buffers. Those that the driver took are its own now, and `give_away` forgets them.
        let sent = unsafe { sys::vd_tx_burst(self.port, self.index, first, count) };
        give_away(frames, u32::from(sent));
    }
}
