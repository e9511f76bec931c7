//! What happens to flows without a packet: they have been idle for too long, their backend has been
//! removed, or others need their place. Each turn looks at a bounded number of them.
//!
//! In modes whose replies pass, both ends of a TCP connection that is forgotten get a RST, with the
//! sequence number that each expects, so that neither waits for the other.

use std::net::SocketAddr;

use super::side::Side;
use super::{Pipeline, timeouts_of};
use crate::Protocol;
use crate::clock::Ticks;
use crate::counters::WorkerCounters;
use crate::flow::table::Evicted;
use crate::flow::tcp::{Return, State};
use crate::flow::{Direction, Flow};
use crate::frame::Frame;
use crate::limits::ServiceLimits;
use crate::neighbor::{Lookup, Neighbors};
use crate::network::InterfaceIndex;
use crate::table::{Removal, Table};
use crate::wire::MacAddr;
use crate::wire::ethernet;
use crate::wire::ip::AddressPair;
use crate::wire::reset::{self, Reset};

/// Flows of each family that are looked at for expiry in one turn. Bounds the time that a turn
/// takes.
const EXPIRY_BUDGET: usize = 256;
/// Flows of each family that are looked at for a removed backend in one turn.
const SCAN_BUDGET: usize = 256;
/// Resets that wait to be sent at most; of more, the ends learn by their own next packet.
const RESETS: usize = 2 * (EXPIRY_BUDGET + SCAN_BUDGET);

/// A RST on its way to one end of a connection that is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct PendingReset {
    reset: Reset,
    interface: InterfaceIndex,
    mac: MacAddr,
    ethertype: u16,
}

/// What the end of flows concerns besides the flow table.
pub(super) struct Aftermath<'a, F> {
    pub(super) counters: &'a WorkerCounters,
    pub(super) neighbors: &'a mut Neighbors<F>,
    pub(super) limits: &'a mut ServiceLimits,
    pub(super) resets: &'a mut Vec<PendingReset>,
    pub(super) now: Ticks,
}

impl<F> Aftermath<'_, F> {
    /// Accounts for a flow that has been removed from its table.
    pub(super) fn account<A: Side>(&mut self, flow: &Flow<A>) {
        self.neighbors.unrefer(flow.neighbor_to_backend);
        if flow.returns() == Return::ThroughUs {
            self.neighbors.unrefer(flow.neighbor_to_client);
        }
        let vip = SocketAddr::new(flow.vip.into(), flow.vip_port);
        self.limits.ended(flow.service, vip, flow.protocol);
        self.counters.flows_ended.add(1);
        if let Some(backend) = self.counters.backend(flow.backend_slot) {
            backend.active.subtract(1);
        }
    }

    /// Accounts for a flow that is forgotten while its ends may still know it.
    pub(super) fn forget<A: Side>(&mut self, flow: &Flow<A>) {
        let open = matches!(flow.state(), State::Established | State::HalfClosed);
        if open && flow.protocol == Protocol::Tcp && flow.returns() == Return::ThroughUs {
            self.reset(flow, Direction::Reverse);
            self.reset(flow, Direction::Forward);
        }
        self.account(flow);
    }

    fn reset<A: Side>(&mut self, flow: &Flow<A>, direction: Direction) {
        let neighbor = flow.neighbor(direction);
        let [source, destination] = flow.leaving(direction);
        let (Some(sequence), Some(addresses), Lookup::Known(mac)) = (
            flow.reset_sequence(direction),
            AddressPair::new(source.0.into(), destination.0.into()),
            self.neighbors.lookup(neighbor, self.now),
        ) else {
            return;
        };
        if self.resets.len() < RESETS {
            self.resets.push(PendingReset {
                reset: Reset {
                    addresses,
                    source_port: source.1,
                    destination_port: destination.1,
                    sequence,
                    acknowledgement: None,
                },
                interface: self.neighbors.interface(neighbor),
                mac,
                ethertype: A::ETHERTYPE,
            });
        }
    }
}

/// Where the search for flows of removed backends is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    ipv4: Option<usize>,
    ipv6: Option<usize>,
}

impl Scan {
    /// From the beginning: the table is new.
    pub(super) const START: Self = Self {
        ipv4: Some(0),
        ipv6: Some(0),
    };
}

/// An empty list of resets with all its memory.
pub(super) fn no_resets() -> Vec<PendingReset> {
    Vec::with_capacity(RESETS)
}

impl<F: Frame> Pipeline<F> {
    /// Ends flows that are due, a bounded number at a time.
    pub fn sweep(&mut self, now: Ticks) {
        self.path_mtus.tick(now);
        self.expire::<std::net::Ipv4Addr>(now);
        self.expire::<std::net::Ipv6Addr>(now);
        self.scan.ipv4 = self.end_removed::<std::net::Ipv4Addr>(self.scan.ipv4, now);
        self.scan.ipv6 = self.end_removed::<std::net::Ipv6Addr>(self.scan.ipv6, now);
    }

    fn expire<A: Side>(&mut self, now: Ticks) {
        let table = self.tables.current();
        let mut aftermath = Aftermath {
            counters: &self.counters,
            neighbors: &mut self.neighbors,
            limits: &mut self.limits,
            resets: &mut self.resets,
            now,
        };
        let timeout = |flow: &Flow<A>| flow.timeout(timeouts_of(table, flow));
        A::memory_mut(&mut self.memories)
            .flows
            .expire(now, EXPIRY_BUDGET, timeout, |flow| aftermath.forget(&flow));
    }

    /// Ends a flow, if one must go so that `flow` has room.
    pub(super) fn make_room<A: Side>(&mut self, flow: &Flow<A>, now: Ticks) {
        let table = self.tables.current();
        let timeout = |flow: &Flow<A>| flow.timeout(timeouts_of(table, flow));
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        let Some((evicted, why)) = flows.make_room(flow.state(), now, timeout) else {
            return;
        };
        match why {
            Evicted::HalfOpen => self.counters.flows_evicted_half_open.add(1),
            Evicted::Idle => self.counters.flows_evicted_idle.add(1),
        }
        let mut aftermath = Aftermath {
            counters: &self.counters,
            neighbors: &mut self.neighbors,
            limits: &mut self.limits,
            resets: &mut self.resets,
            now,
        };
        aftermath.forget(&evicted);
    }

    /// Ends flows whose backend is gone, from `cursor` on. Returns where to go on, if anywhere.
    fn end_removed<A: Side>(&mut self, cursor: Option<usize>, now: Ticks) -> Option<usize> {
        let mut cursor = cursor?;
        let table = self.tables.current();
        let flows = &mut A::memory_mut(&mut self.memories).flows;
        let mut gone = arrayvec::ArrayVec::<_, SCAN_BUDGET>::new();
        let seen = flows.scan(&mut cursor, SCAN_BUDGET);
        gone.extend(
            seen.filter(|(_, flow)| is_reset(table, flow))
                .map(|(index, _)| index),
        );
        let mut aftermath = Aftermath {
            counters: &self.counters,
            neighbors: &mut self.neighbors,
            limits: &mut self.limits,
            resets: &mut self.resets,
            now,
        };
        for index in gone {
            aftermath.forget(&flows.remove(index));
        }
        (cursor < flows.capacity()).then_some(cursor)
    }

    /// The next RST to send.
    pub fn next_reset(&mut self) -> Option<PendingReset> {
        self.resets.pop()
    }

    /// Makes `frame` this RST. The interface by which it leaves; `None` if it does not fit.
    #[must_use]
    pub fn write_pending(&self, frame: &mut F, pending: &PendingReset) -> Option<InterfaceIndex> {
        const FRONT: usize = ethernet::HEADER_LEN + ethernet::TAG_LEN;
        let own = self.network.interface(pending.interface);
        let mut bytes = [0; FRONT + reset::MAX_LEN];
        let start = ethernet::header_len(own.vlan);
        let len = pending.reset.write(&mut bytes[start..])?;
        let written = ethernet::write(
            &mut bytes,
            pending.mac,
            own.mac,
            own.vlan,
            pending.ethertype,
        );
        (written && frame.assign(&bytes[..start + len])).then_some(pending.interface)
    }
}

/// True for a flow whose backend is gone and whose service resets such connections.
fn is_reset<A: Side>(table: &Table, flow: &Flow<A>) -> bool {
    flow.protocol == Protocol::Tcp
        && !table.has_backend(flow.backend_slot, flow.backend_epoch)
        && table.removal_of(flow.service) == Removal::Reset
}
