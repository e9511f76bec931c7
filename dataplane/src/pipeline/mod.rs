//! From a parsed packet to its verdict.
//!
//! ```text
//!  frames ─▶ admit ──────▶ probe ───────▶ decide ─┬─ flow found ──────▶ rewrite ─┐
//!            parse, L2,     hash, prefetch         └─ not found: VIP, Maglev,     ├─▶ verdict
//!            whose packet?  index, then flow          source port, new flow ──────┘
//! ```
//! The pipeline owns what a worker remembers: its flows, its source ports, its neighbors. It
//! rewrites frames in place and returns what should become of each. It never receives, sends or
//! frees a frame, never waits, never allocates after start, and never reads the clock.

mod admit;
mod arp;
mod create;
mod echo;
mod forward;
mod rewrite;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arrayvec::ArrayVec;

pub use admit::Origin;

use crate::clock::Ticks;
use crate::counters::WorkerCounters;
use crate::flow::snat::SnatPorts;
use crate::flow::{Flow, FlowTable, Probe};
use crate::frame::{BURST, Frame};
use crate::neighbor::{NeighborRef, NeighborUpdate, Neighbors};
use crate::network::{InterfaceIndex, Network};
use crate::table::publication::Reader;
use crate::table::{Table, Timeouts};
use crate::verdict::Verdict;
use crate::wire::arp::ArpPacket;
use crate::wire::parse::{Ipv4Layout, Transport};
use crate::worker::WorkerId;

/// Flows that are looked at for expiry in one turn. Bounds the time that a turn takes.
const EXPIRY_BUDGET: usize = 256;

/// Idle timeouts of flows whose service is gone.
const ORPHAN_TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: crate::clock::TickSpan(300),
    tcp_established: crate::clock::TickSpan(81_000),
    tcp_closing: crate::clock::TickSpan(600),
    udp: crate::clock::TickSpan(3000),
};

/// A packet between admission and decision.
#[derive(Clone, Copy, Debug)]
pub enum Admitted {
    /// Its verdict is known already.
    Decided(Verdict),
    /// ARP that came in by this interface.
    Arp(InterfaceIndex, ArpPacket),
    /// An echo request to one of our addresses, from this interface.
    Echo(InterfaceIndex, Ipv4Layout),
    /// TCP or UDP, to be found in the flow table.
    Flow(Transport, Probe<Ipv4Addr>),
}

/// The decisions and the memory of one worker.
#[derive(Debug)]
pub struct Pipeline<F> {
    worker: WorkerId,
    network: Arc<Network>,
    tables: Reader<Table>,
    flows: FlowTable<Ipv4Addr>,
    snat: SnatPorts<Ipv4Addr>,
    /// Next hops, and the frames that wait for them.
    pub neighbors: Neighbors<F>,
    /// The neighbor that the packet of the last [`Verdict::Hold`] waits for.
    held_for: NeighborRef,
    learned: ArrayVec<NeighborUpdate, BURST>,
    counters: Arc<WorkerCounters>,
}

impl<F: Frame> Pipeline<F> {
    /// The pipeline of `worker`, with memory for `flows` flows.
    #[must_use]
    pub fn new(
        worker: WorkerId,
        network: Arc<Network>,
        tables: Reader<Table>,
        counters: Arc<WorkerCounters>,
        flows: usize,
        now: Ticks,
    ) -> Self {
        let share = network.snat_ports.share(worker, network.workers);
        Self {
            worker,
            tables,
            flows: FlowTable::new(flows, now),
            snat: SnatPorts::new(network.snat.ipv4.clone(), share),
            neighbors: Neighbors::new(&network),
            held_for: NeighborRef::default(),
            learned: ArrayVec::new(),
            counters,
            network,
        }
    }

    /// Adopts the newest table, if there is a newer one than now.
    pub fn refresh(&mut self) {
        self.tables.refresh();
    }

    /// Asks for the memory of the flow that an admitted packet probably has.
    #[inline]
    pub fn prefetch(&self, admitted: &Admitted) {
        if let Admitted::Flow(_, probe) = admitted {
            self.flows.prefetch_flow(probe);
        }
    }

    /// The verdict on an admitted packet. A packet to forward or a reply has been rewritten; one
    /// to hold is complete but for its Ethernet destination (see [`Self::held_for`]).
    #[inline]
    pub fn decide(&mut self, frame: &mut F, admitted: Admitted, now: Ticks) -> Verdict {
        let decided = match admitted {
            Admitted::Decided(verdict) => Ok(verdict),
            Admitted::Arp(interface, packet) => self.answer_arp(frame, interface, packet),
            Admitted::Echo(interface, layout) => self.answer_echo(frame, interface, layout),
            Admitted::Flow(packet, probe) => self.balance(frame, &packet, &probe, now),
        };
        decided.unwrap_or_else(Verdict::Drop)
    }

    /// The neighbor that the packet of the last [`Verdict::Hold`] waits for.
    #[must_use]
    pub fn held_for(&self) -> NeighborRef {
        self.held_for
    }

    /// Takes what ARP packets have taught since the last call. At most one entry per packet of a
    /// burst.
    pub fn take_learned(&mut self) -> ArrayVec<NeighborUpdate, BURST> {
        std::mem::take(&mut self.learned)
    }

    /// Ends flows that have been idle for too long, a bounded number at a time.
    pub fn expire(&mut self, now: Ticks) {
        let Self {
            flows,
            tables,
            counters,
            neighbors,
            ..
        } = self;
        let table = tables.current();
        let timeout = |flow: &Flow<_>| flow.timeout(timeouts_of(table, flow));
        flows.expire(now, EXPIRY_BUDGET, timeout, |flow| {
            account_end(counters, neighbors, &flow);
        });
    }

    /// Number of flows that exist.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Where Viaduct stands.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &WorkerCounters {
        &self.counters
    }

    /// True for an address that this table makes Viaduct's: its own, its source addresses, VIPs.
    fn is_local(&self, address: Ipv4Addr) -> bool {
        self.tables.current().is_vip(address)
            || self.network.is_own(address)
            || self.network.is_snat(address)
    }
}

/// The timeouts that a flow is under.
fn timeouts_of<'t>(table: &'t Table, flow: &Flow<Ipv4Addr>) -> &'t Timeouts {
    let vip = SocketAddr::from((flow.vip, flow.vip_port));
    let service = table
        .service(flow.service)
        .filter(|service| service.vip() == vip);
    service.map_or(&ORPHAN_TIMEOUTS, |service| service.timeouts())
}

/// What the end of a flow means to the rest of the worker.
fn account_end<F>(counters: &WorkerCounters, neighbors: &mut Neighbors<F>, flow: &Flow<Ipv4Addr>) {
    neighbors.unrefer(flow.to_backend.neighbor);
    neighbors.unrefer(flow.to_client.neighbor);
    counters.flows_ended.add(1);
    if let Some(backend) = counters.backend(flow.backend_slot) {
        backend.active.subtract(1);
    }
}
