//! What the packet path needs of a packet buffer and of a port.
//!
//! The pipeline is generic over these two traits, so that the very code that
//! runs on DPDK's mbufs also runs offline on plain memory: packet cases, fuzzing
//! and the model of several workers need no EAL. Both are monomorphised; there is
//! no dynamic call on the packet path.

use arrayvec::ArrayVec;

/// Packets in one burst. DPDK's vector drivers want multiples of 32; a burst of 32 frames'
/// first cache lines fits comfortably in L1.
pub const BURST: usize = 32;

/// A burst of frames on its way through the pipeline.
pub type Burst<F> = ArrayVec<F, BURST>;

/// What the receiver knows about a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxChecksum {
    /// The port did not look; software must.
    Unknown,
    /// The port found it correct.
    Good,
    /// The port found it wrong.
    Bad,
}

/// One packet, contiguous in memory, with room in front of and behind its bytes.
///
/// Owning a frame is owning its memory. Dropping one returns it to where it came from,
/// but the packet path never lets a frame fall: it hands whole bursts to [`Io::discard`].
pub trait Frame: Sized {
    /// The packet's bytes, starting with the Ethernet header.
    fn bytes(&self) -> &[u8];
    /// The same, writable.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Grows the packet by `n` bytes at the front (contents unspecified). False, and
    /// unchanged, if there is no room.
    #[must_use]
    fn prepend(&mut self, n: usize) -> bool;
    /// Removes `n` bytes from the front; `n` must not exceed the length.
    fn trim_front(&mut self, n: usize);
    /// Shortens the packet to `len` bytes; no effect if it is not longer.
    fn truncate(&mut self, len: usize);
    /// Replaces the packet's bytes. False, and unchanged, if `bytes` does not fit.
    #[must_use]
    fn assign(&mut self, bytes: &[u8]) -> bool;
    /// False if the packet continues in further segments, which this data plane does not read.
    fn is_contiguous(&self) -> bool;
    /// What the worker that handed the packet over wrote on it; unspecified before.
    fn note(&self) -> u32;
    /// Writes on the packet what its next worker should know.
    fn set_note(&mut self, note: u32);
    /// What the port says about the IPv4 header checksum.
    fn ip_checksum(&self) -> RxChecksum;
}

/// The ports as one worker sees them: its own queue of every port, its inbox, its memory.
///
/// Every method takes or gives a whole burst, so that an implementation makes at most one
/// foreign call per burst.
pub trait Io {
    /// The packet buffers that the ports give and take.
    type Frame: Frame;

    /// Number of ports; valid port indexes are below it.
    fn ports(&self) -> usize;
    /// Number of workers; valid worker indexes are below it.
    fn workers(&self) -> usize;
    /// Appends to `out` what has arrived on this worker's queue of `port`, as far as it fits.
    fn receive(&mut self, port: usize, out: &mut Burst<Self::Frame>);
    /// Sends `frames` in order; what the port does not take stays in `frames`.
    fn transmit(&mut self, port: usize, frames: &mut Burst<Self::Frame>);
    /// Appends to `out` what other workers have handed over.
    fn receive_handoff(&mut self, out: &mut Burst<Self::Frame>);
    /// Hands `frames` to another worker; what its inbox does not take stays in `frames`.
    fn hand_off(&mut self, worker: usize, frames: &mut Burst<Self::Frame>);
    /// Returns the memory of all `frames`.
    fn discard(&mut self, frames: &mut Burst<Self::Frame>);
    /// A new empty frame, if there is memory. For packets that the data plane starts itself
    /// (ARP requests), never for forwarding.
    fn allocate(&mut self) -> Option<Self::Frame>;
}
