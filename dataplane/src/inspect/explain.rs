//! What would become of a packet, step by step. The steps are the pipeline's own; see
//! `pipeline::explain`.

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;

use super::flows::Passage;
use crate::Protocol;
use crate::flow::table::Room;
use crate::neighbor::{Foreseen, NeighborEntry};
use crate::network::Route;
use crate::pipeline::Origin;
use crate::table::{BackendSlot, Mode, ServiceSlot};
use crate::verdict::Verdict;
use crate::worker::WorkerId;

/// Steps that a packet can take at most.
pub const STEPS: usize = 16;

/// The steps of a packet, in order.
pub type Steps = ArrayVec<Step, STEPS>;

/// One step of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is TCP or UDP between these ends.
    Transport {
        /// TCP or UDP.
        protocol: Protocol,
        /// Where it comes from.
        source: SocketAddr,
        /// Where it goes.
        destination: SocketAddr,
    },
    /// It is a part of a datagram, which the worker with this number gathers.
    Fragment(WorkerId),
    /// It is an echo request.
    Echo,
    /// It is an ICMP error.
    IcmpError,
    /// It is ARP or Neighbor Discovery.
    NeighborMessage,
    /// It belongs to this flow.
    Flow(Passage),
    /// No flow has its 5-tuple.
    NoFlow,
    /// It ends this flow, and starts another.
    Restart(Passage),
    /// It is for this service.
    Service {
        /// The VIP.
        vip: SocketAddr,
        /// TCP or UDP.
        protocol: Protocol,
        /// How packets reach the backend.
        mode: Mode,
        /// Its place in the table.
        slot: ServiceSlot,
    },
    /// The service has chosen this backend for it.
    Backend {
        /// Where it listens.
        address: SocketAddr,
        /// Its place in the table.
        slot: BackendSlot,
        /// The place of the Maglev table that the packet's hash falls to, and the table's size.
        maglev: (u32, u32),
    },
    /// The source that the backend would see.
    Source(SocketAddr),
    /// Whether a new flow has room.
    Room(Room),
    /// It is rewritten to be between these ends.
    Rewritten {
        /// Its new source.
        source: SocketAddr,
        /// Its new destination.
        destination: SocketAddr,
    },
    /// It is put into another packet between these addresses.
    Encapsulated {
        /// `ipip` or `gue`.
        mode: Mode,
        /// Outer source.
        source: IpAddr,
        /// Outer destination.
        destination: IpAddr,
    },
    /// It goes this way.
    Route(Route),
    /// What is known of its next hop.
    NextHop(Foreseen, Option<NeighborEntry>),
    /// What it comes to.
    Verdict(Verdict),
}

/// A packet, and what a worker would do with it.
#[derive(Debug)]
pub struct Explanation {
    /// Where it would come from.
    pub origin: Origin,
    /// The frame as it would come; after the answer, as it would leave, if it would.
    pub frame: Vec<u8>,
    /// What a worker that hands it over would have written on it.
    pub note: u32,
    /// What would become of it. The last step is the verdict; no steps mean that there was no
    /// packet buffer, or that the frame does not fit one.
    pub steps: Steps,
}

impl Explanation {
    /// The question about this frame.
    #[must_use]
    pub fn new(origin: Origin, mut frame: Vec<u8>) -> Self {
        // Room for what a tunnel adds, so that the worker need not ask for any.
        frame.reserve_exact(256);
        Self {
            origin,
            frame,
            note: 0,
            steps: Steps::new(),
        }
    }

    /// What would become of the packet; `None` if there is no answer.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.steps.last()? {
            Step::Verdict(verdict) => Some(*verdict),
            _ => None,
        }
    }
}
