//! Bounds on what one service may take of a worker: new flows in a second, and flows at a time.
//!
//! Every worker bounds its own share and shares nothing, so a bound over all workers holds as well
//! as RSS spreads clients. Time is the worker's coarse clock and all arithmetic is in whole numbers.
//! Nothing here allocates after start, knows a packet, or decides what a refused client is told.

use std::net::SocketAddr;

use crate::Protocol;
use crate::clock::{TICK, Ticks};
use crate::table::{Limits, Service, ServiceSlot};
use crate::verdict::DropReason;

/// Ticks in a second, which is also how many parts a token has: each tick gives back one part for
/// each token of the rate.
const PARTS: u64 = 1000 / TICK.as_millis() as u64;

/// Bounds a rate: a token bucket that holds one second's tokens and is full at first.
///
/// It counts what is missing rather than what is there, as the equivalent leaky bucket does (ITU-T
/// I.371): an untouched one is full at any rate, and the rate may change from call to call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    missing: u64,
    seen: Ticks,
}

impl Bucket {
    /// Takes a token, if there is one at this rate. `now` must not go back.
    #[inline]
    pub fn take(&mut self, per_second: u32, now: Ticks) -> bool {
        let (rate, capacity) = (u64::from(per_second), u64::from(per_second) * PARTS);
        let refill = u64::from(now.since(self.seen).0) * rate;
        self.seen = now;
        // With a rate that has become lower, no more can be missing than there is room for.
        self.missing = self.missing.min(capacity).saturating_sub(refill);
        let has_one = self.missing + PARTS <= capacity;
        if has_one {
            self.missing += PARTS;
        }
        has_one
    }
}

/// What one worker remembers of the service in one slot.
#[derive(Clone, Debug, Default)]
struct Usage {
    /// Which service it is about: slots are used again.
    holder: Option<Holder>,
    new_flows: Bucket,
    flows: u32,
}

/// Identity of a service.
type Holder = (SocketAddr, Protocol);

const _: () = assert!(size_of::<Usage>() <= 64, "a service is one cache line");

/// What one worker remembers of all services. Takes up to 64 bytes for each slot.
#[derive(Clone, Debug)]
pub struct ServiceLimits {
    usage: Box<[Usage]>,
}

impl ServiceLimits {
    /// No flows yet, for slots below `service_slots`; services in others have no bounds.
    #[must_use]
    pub fn new(service_slots: usize) -> Self {
        Self {
            usage: vec![Usage::default(); service_slots].into_boxed_slice(),
        }
    }

    /// Counts a new flow of `service`, or says which bound forbids it. `workers` share the bounds;
    /// `now` must not go back. Whoever was admitted must be reported as [`Self::ended`] once, also
    /// if the flow could not be made after all.
    ///
    /// # Errors
    /// [`DropReason::FlowLimit`] or [`DropReason::RateLimit`].
    pub fn admit(
        &mut self,
        service: &Service,
        workers: usize,
        now: Ticks,
    ) -> Result<(), DropReason> {
        let Some(usage) = self.usage.get_mut(usize::from(service.slot().0)) else {
            return Ok(());
        };
        let holder = Some((service.vip(), service.protocol()));
        if usage.holder != holder {
            *usage = Usage {
                holder,
                ..Usage::default()
            };
        }
        usage.admit(&service.policy().limits, workers, now)
    }

    /// What [`Self::admit`] would say now, if a flow of the service had `ended` before. Nothing is
    /// counted.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn would_admit(
        &self,
        service: &Service,
        ended: bool,
        workers: usize,
        now: Ticks,
    ) -> Result<(), DropReason> {
        let usage = self.usage.get(usize::from(service.slot().0));
        let holder = Some((service.vip(), service.protocol()));
        let known = usage.filter(|usage| usage.holder == holder);
        let mut usage = known.cloned().unwrap_or_default();
        usage.flows = usage.flows.saturating_sub(u32::from(ended));
        usage.admit(&service.policy().limits, workers, now)
    }

    /// Notes that a flow has ended that was admitted for the service at `vip`. A flow of a service
    /// that no longer has the slot does not count for the present one.
    pub fn ended(&mut self, slot: ServiceSlot, vip: SocketAddr, protocol: Protocol) {
        let usage = self.usage.get_mut(usize::from(slot.0));
        if let Some(usage) = usage.filter(|usage| usage.holder == Some((vip, protocol))) {
            usage.flows = usage.flows.saturating_sub(1);
        }
    }

    /// Flows of the service that has the slot now.
    #[must_use]
    pub fn flows(&self, slot: ServiceSlot) -> u32 {
        let usage = self.usage.get(usize::from(slot.0));
        usage.map_or(0, |usage| usage.flows)
    }
}

impl Usage {
    /// Flows are counted whether they are bounded or not, because a bound may be set at any time.
    fn admit(&mut self, limits: &Limits, workers: usize, now: Ticks) -> Result<(), DropReason> {
        if limits
            .flows
            .is_some_and(|all| self.flows >= share(all, workers))
        {
            return Err(DropReason::FlowLimit);
        }
        let rate = limits.new_flows_per_second;
        if rate.is_some_and(|all| !self.new_flows.take(share(all, workers), now)) {
            return Err(DropReason::RateLimit);
        }
        self.flows = self.flows.saturating_add(1);
        Ok(())
    }
}

/// One worker's share of a bound: rounded up, so that no worker has none.
fn share(all: u32, workers: usize) -> u32 {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
    all.div_ceil(workers)
}

#[cfg(test)]
mod tests;
