//! What a worker counts, readable by others while it counts.
//!
//! Every counter has one writer, its worker, so that counting is a plain add in the worker's own
//! cache lines: no atomic read-modify-write. Readers see each counter monotonic, but not all of
//! them at the same instant.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::table::BackendSlot;
use crate::verdict::{DropReason, Verdict};

/// A number that one thread changes and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// Subtracts `n`, for gauges. Only the owning worker may call this.
    #[inline]
    pub fn subtract(&self, n: u64) {
        self.0.store(self.get().wrapping_sub(n), Ordering::Relaxed);
    }

    /// Sets a gauge. Only the owning worker may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and bytes.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: Counter,
    /// Bytes, with Ethernet headers, without the frame check sequence.
    pub bytes: Counter,
}

impl Traffic {
    /// Counts one packet of `len` bytes.
    #[inline]
    pub fn count(&self, len: usize) {
        self.packets.add(1);
        self.bytes.add(len as u64);
    }
}

/// One port as one worker sees it.
#[derive(Debug, Default)]
pub struct PortCounters {
    /// Received on this worker's queue.
    pub received: Traffic,
    /// Sent by this worker.
    pub sent: Traffic,
}

/// What one worker has done for one backend slot, over all backends that have had the slot.
#[derive(Debug, Default)]
pub struct BackendCounters {
    /// Flows made.
    pub flows: Counter,
    /// Flows that exist: a gauge.
    pub active: Counter,
    /// Packets to the backend.
    pub packets: Counter,
    /// Their bytes, without Ethernet headers.
    pub bytes: Counter,
}

/// Counters of packets by verdict; a drop counts under its reason only.
#[derive(Debug)]
pub struct VerdictCounters {
    /// Rewritten and sent.
    pub forward: Counter,
    /// Answered.
    pub reply: Counter,
    /// Given to another worker.
    pub handoff: Counter,
    /// Learned from.
    pub absorb: Counter,
    /// Given to the host's stack.
    pub punt: Counter,
    /// Sent for the host's stack.
    pub from_host: Counter,
    drops: Box<[Counter]>,
}

/// One of Viaduct's own addresses on one interface; counted by the worker that probes for it.
#[derive(Debug, Default)]
pub struct OwnAddressCounters {
    /// How often another station has said that it has the address.
    pub conflicts: Counter,
    /// 1 if it is another station's: a gauge.
    pub duplicate: Counter,
}

/// Everything that one worker counts.
#[derive(Debug)]
pub struct WorkerCounters {
    /// By port.
    pub ports: Box<[PortCounters]>,
    /// Packets that other workers handed over to this one.
    pub handed_in: Counter,
    /// What became of the packets from ports and other workers.
    pub verdicts: VerdictCounters,
    /// Packets that wait for a neighbor now: a gauge.
    pub holding: Counter,
    /// Packets that the data plane started itself (ARP requests).
    pub originated: Counter,
    /// Dropped packets whose sender was told, by a TCP RST or an ICMP error.
    pub refusals_sent: Counter,
    /// Flows made.
    pub flows_created: Counter,
    /// Flows that ended: refused, or idle for too long.
    pub flows_ended: Counter,
    /// Half-open flows that made room for others.
    pub flows_evicted_half_open: Counter,
    /// Idle flows that made room for others, though their timeouts allowed them to stay.
    pub flows_evicted_idle: Counter,
    /// Turns of the loop that found packets.
    pub busy_turns: Counter,
    /// Turns of the loop that found none.
    pub idle_turns: Counter,
    /// In the order of [`crate::neighbor::own_addresses`].
    pub own_addresses: Box<[OwnAddressCounters]>,
    backends: Box<[BackendCounters]>,
}

fn zeros<T: Default>(count: usize) -> Box<[T]> {
    std::iter::repeat_with(T::default).take(count).collect()
}

impl VerdictCounters {
    /// Packets dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> &Counter {
        &self.drops[reason as usize]
    }

    /// Counts one packet's end. [`Verdict::Hold`] is no end and counts nothing.
    #[inline]
    pub fn count(&self, verdict: Verdict) {
        match verdict {
            Verdict::Forward(_) => self.forward.add(1),
            Verdict::Reply(_) => self.reply.add(1),
            Verdict::Handoff(_) => self.handoff.add(1),
            Verdict::Absorb => self.absorb.add(1),
            Verdict::Punt(_) => self.punt.add(1),
            Verdict::FromHost(_) => self.from_host.add(1),
            Verdict::Hold | Verdict::HoldFragment => {}
            Verdict::Refuse(reason, _) => self.dropped(reason).add(1),
            Verdict::Drop(reason) => self.dropped(reason).add(1),
        }
    }

    /// Packets that have had a verdict.
    #[must_use]
    pub fn total(&self) -> u64 {
        let kept = [
            &self.forward,
            &self.reply,
            &self.handoff,
            &self.absorb,
            &self.punt,
            &self.from_host,
        ];
        kept.into_iter().chain(&self.drops).map(Counter::get).sum()
    }
}

impl WorkerCounters {
    /// Counters for this many ports and backend slots, all zero.
    #[must_use]
    pub fn new(ports: usize, backend_slots: usize) -> Self {
        Self {
            ports: zeros(ports),
            handed_in: Counter::default(),
            verdicts: VerdictCounters {
                forward: Counter::default(),
                reply: Counter::default(),
                handoff: Counter::default(),
                absorb: Counter::default(),
                punt: Counter::default(),
                from_host: Counter::default(),
                drops: zeros(DropReason::ALL.len()),
            },
            holding: Counter::default(),
            originated: Counter::default(),
            refusals_sent: Counter::default(),
            flows_created: Counter::default(),
            flows_ended: Counter::default(),
            flows_evicted_half_open: Counter::default(),
            flows_evicted_idle: Counter::default(),
            busy_turns: Counter::default(),
            idle_turns: Counter::default(),
            own_addresses: zeros(0),
            backends: zeros(backend_slots),
        }
    }

    /// The same, with counters for this many of Viaduct's own addresses.
    #[must_use]
    pub fn with_own_addresses(self, count: usize) -> Self {
        Self {
            own_addresses: zeros(count),
            ..self
        }
    }

    /// Counters of a backend slot; `None` if the slot is beyond the capacity.
    #[inline]
    #[must_use]
    pub fn backend(&self, slot: BackendSlot) -> Option<&BackendCounters> {
        self.backends.get(slot.0 as usize)
    }

    /// Packets that came in, from ports and other workers.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        let received: u64 = self.ports.iter().map(|p| p.received.packets.get()).sum();
        received + self.handed_in.get()
    }
}
