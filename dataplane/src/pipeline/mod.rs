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
mod announce;
mod arp;
mod create;
mod direct;
mod discovery;
mod echo;
mod errors;
mod explain;
mod forward;
mod fragments;
mod leave;
mod mss;
mod own;
mod refuse;
mod rewrite;
mod show;
mod side;
mod sweep;
mod tunnel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use arrayvec::ArrayVec;

pub use admit::Origin;
pub use side::{Memories, Memory, Room, Side};
pub use sweep::PendingReset;

use fragments::Datagrams;
use refuse::AnswerBudget;
use sweep::Scan;

use crate::clock::Ticks;
use crate::counters::WorkerCounters;
use crate::family::Family;
use crate::flow::steering::ReturnSteering;
use crate::flow::tcp::TcpFacts;
use crate::flow::{Flow, FlowKey, Probe};
use crate::frame::{BURST, Frame};
use crate::limits::ServiceLimits;
use crate::neighbor::{
    Announcements, DuplicateDetection, Heard, NeighborRef, Neighbors, own_addresses,
};
use crate::network::{InterfaceIndex, Network};
use crate::path_mtu::PathMtus;
use crate::table::publication::Reader;
use crate::table::{Table, Timeouts};
use crate::verdict::Verdict;
use crate::wire::arp::ArpPacket;
use crate::wire::packet::{Layout, Packet};
use crate::wire::tcp::TcpFlags;
use crate::worker::WorkerId;

/// Places of services in the table.
const SERVICE_SLOTS: usize = 1 << 16;

/// Addresses that are defended in one turn; others wait for their next conflict.
const DEFENCES: usize = 8;

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
    /// IPv4.
    Ipv4(Task<Ipv4Addr>),
    /// IPv6.
    Ipv6(Task<Ipv6Addr>),
}

/// What is to be done with an IP packet.
#[derive(Clone, Copy, Debug)]
pub enum Task<A> {
    /// Its verdict is known already.
    Decided(Verdict),
    /// TCP or UDP, to be found in the flow table.
    Flow(Transport<A>, Probe<A>),
    /// A part of a TCP or UDP datagram.
    Fragment(Option<InterfaceIndex>, Packet<A>),
    /// An echo request to one of our addresses, from this interface.
    Echo(InterfaceIndex, Layout),
    /// An ICMP error. The interface is not known if another worker has handed it over.
    Error(Option<InterfaceIndex>, Packet<A>),
    /// Neighbor Discovery, from this interface.
    Discovery(InterfaceIndex, Packet<A>),
}

/// A TCP or UDP packet, or a part of one whose ports are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport<A> {
    /// The interface that it came by; unknown if another worker has handed it over.
    pub arrived: Option<InterfaceIndex>,
    /// Where its headers are.
    pub layout: Layout,
    /// Its 5-tuple.
    pub key: FlowKey<A>,
    /// TCP's control bits; none for UDP and for later fragments.
    pub flags: TcpFlags,
    /// TCP's acknowledgement number.
    pub acknowledgement: u32,
    /// False for later fragments, which begin with payload.
    pub has_header: bool,
}

impl<A> Transport<A> {
    fn facts(&self) -> TcpFacts {
        TcpFacts {
            flags: self.flags,
            ack: self.acknowledgement,
        }
    }
}

/// What a pipeline is made of.
#[derive(Debug)]
pub struct Parts {
    /// Which worker it decides for.
    pub worker: WorkerId,
    /// Where Viaduct stands.
    pub network: Arc<Network>,
    /// The forwarding tables, as they come.
    pub tables: Reader<Table>,
    /// Where it counts.
    pub counters: Arc<WorkerCounters>,
    /// Capacity of the flow table of each family.
    pub flows: usize,
    /// How many of those may be TCP connections whose handshake is not complete.
    pub half_open: usize,
    /// It announces addresses. One worker does for all.
    pub announces: bool,
    /// By port: where the replies to this worker's source ports arrive, if that is known.
    pub steering: Vec<Option<ReturnSteering>>,
}

/// The decisions and the memory of one worker.
#[derive(Debug)]
pub struct Pipeline<F> {
    worker: WorkerId,
    network: Arc<Network>,
    tables: Reader<Table>,
    memories: Memories,
    /// Next hops, and the frames that wait for them.
    pub neighbors: Neighbors<F>,
    /// The neighbor that the packet of the last [`Verdict::Hold`] waits for.
    held_for: NeighborRef,
    learned: ArrayVec<Heard, BURST>,
    limits: ServiceLimits,
    answers: AnswerBudget,
    resets: Vec<PendingReset>,
    scan: Scan,
    steering: Vec<Option<ReturnSteering>>,
    datagrams: Datagrams<F>,
    /// What is to be announced. One worker speaks for all.
    announcements: Option<Announcements>,
    own: DuplicateDetection,
    /// Addresses to announce because others claim them.
    defences: ArrayVec<(InterfaceIndex, IpAddr), DEFENCES>,
    path_mtus: PathMtus,
    /// ID of the last outer IPv4 header that may be fragmented.
    identification: u16,
    counters: Arc<WorkerCounters>,
}

impl<F: Frame> Pipeline<F> {
    /// A pipeline of these parts. All its memory is allocated now.
    #[must_use]
    pub fn new(parts: Parts, now: Ticks) -> Self {
        let Parts {
            worker,
            network,
            tables,
            counters,
            flows,
            half_open,
            announces,
            steering,
        } = parts;
        let room = Room { flows, half_open };
        Self {
            worker,
            tables,
            memories: Memories::new(&network, worker, room, now),
            neighbors: neighbors(&network),
            held_for: NeighborRef::default(),
            learned: ArrayVec::new(),
            limits: ServiceLimits::new(SERVICE_SLOTS),
            answers: AnswerBudget::default(),
            resets: sweep::no_resets(),
            scan: Scan::default(),
            steering,
            datagrams: Datagrams::default(),
            announcements: announces.then(|| Announcements::new(&network, now)),
            own: DuplicateDetection::new(own_addresses(&network), now),
            defences: ArrayVec::new(),
            path_mtus: PathMtus::default(),
            identification: 0,
            counters,
            network,
        }
    }

    /// Adopts the newest table, if there is a newer one than now.
    pub fn refresh(&mut self) {
        if self.tables.refresh() {
            self.scan = Scan::START;
            if let Some(announcements) = &mut self.announcements {
                announcements.table_changed();
            }
        }
    }

    /// Asks for the memory of the flow that an admitted packet probably has.
    #[inline]
    pub fn prefetch(&self, admitted: &Admitted) {
        match admitted {
            Admitted::Ipv4(Task::Flow(_, probe)) => self.memories.ipv4.flows.prefetch_flow(probe),
            Admitted::Ipv6(Task::Flow(_, probe)) => self.memories.ipv6.flows.prefetch_flow(probe),
            _ => {}
        }
    }

    /// The verdict on an admitted packet. A packet to forward or a reply has been rewritten; one
    /// to hold is complete but for its Ethernet destination (see [`Self::held_for`]).
    #[inline]
    pub fn decide(&mut self, frame: &mut F, admitted: Admitted, now: Ticks) -> Verdict {
        match admitted {
            Admitted::Decided(verdict) => verdict,
            Admitted::Arp(interface, packet) => {
                let answered = self.answer_arp(frame, interface, packet);
                answered.unwrap_or_else(Verdict::Drop)
            }
            Admitted::Ipv4(task) => self.perform(frame, task, now),
            Admitted::Ipv6(task) => self.perform(frame, task, now),
        }
    }

    #[inline]
    fn perform<A: Side>(&mut self, frame: &mut F, task: Task<A>, now: Ticks) -> Verdict {
        let performed = match task {
            Task::Decided(verdict) => Ok(verdict),
            Task::Flow(packet, probe) => Ok(self.balance(frame, &packet, &probe, now)),
            Task::Fragment(arrived, packet) => self.gather(frame, arrived, &packet, now),
            Task::Echo(interface, layout) => self.answer_echo::<A>(frame, interface, layout),
            Task::Error(arrived, packet) => self.relay_error(frame, arrived, &packet, now),
            Task::Discovery(interface, packet) => self.discover(frame, interface, &packet),
        };
        performed.unwrap_or_else(Verdict::Drop)
    }

    /// The neighbor that the packet of the last [`Verdict::Hold`] waits for.
    #[must_use]
    pub fn held_for(&self) -> NeighborRef {
        self.held_for
    }

    /// Takes what ARP and Neighbor Discovery have taught since the last call. At most one entry
    /// per packet of a burst.
    pub fn take_learned(&mut self) -> ArrayVec<Heard, BURST> {
        std::mem::take(&mut self.learned)
    }

    /// Number of flows that exist.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.memories.ipv4.flows.len() + self.memories.ipv6.flows.len()
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
    #[inline]
    fn is_local<A: Side>(&self, address: A) -> bool {
        self.tables.current().is_vip(address)
            || self.network.is_own(address)
            || self.network.is_snat(address)
    }
}

/// The neighbors that are known from the start.
fn neighbors<F>(network: &Network) -> Neighbors<F> {
    let mut neighbors = Neighbors::new(network);
    for &(interface, address, mac) in &network.static_neighbors {
        // Who makes the network has checked that they can be had; any other is asked for.
        let _ = neighbors.add_static(interface, address, mac);
    }
    neighbors
}

/// The timeouts that a flow is under.
fn timeouts_of<'t, A: Family>(table: &'t Table, flow: &Flow<A>) -> &'t Timeouts {
    let vip = SocketAddr::new(flow.vip.into(), flow.vip_port);
    let service = table
        .service(flow.service)
        .filter(|service| service.vip() == vip);
    service.map_or(&ORPHAN_TIMEOUTS, |service| service.timeouts())
}
