//! Ethernet addresses of next hops, and the packets that wait for them: ARP's and Neighbor
//! Discovery's common memory.
//!
//! Each worker has its own [`Neighbors`]. Whichever worker hears a neighbor tells the others (see
//! [`crate::worker`]); a worker asks for what it needs itself. A flow refers to its next hop by a
//! [`NeighborRef`], so that sending a packet is one array access. Nothing here knows a packet
//! format: what is heard comes as a [`NeighborUpdate`], what is to be asked leaves as a
//! [`Request`]. Nothing allocates after start.
//!
//! | state | its packets | leaves the state when |
//! |---|---|---|
//! | New | wait | used: asked, and Incomplete |
//! | Incomplete | wait | heard: Reachable; 3 requests unanswered: Failed |
//! | Reachable | are sent | used 30 s after it was heard last: asked, and Probe |
//! | Stale (heard, but doubtful) | are sent | used: asked, and Probe |
//! | Probe | are sent | heard: Reachable; 3 unicast and 3 general requests unanswered: Failed |
//! | Failed | are dropped | used after a second: asked, and Incomplete; heard: Reachable |
//! | Static | are sent | never |
//!
//! The states are those of RFC 4861, section 7.3.2, for both families. Delay is left out because
//! nothing above the packet path confirms a neighbor. A known neighbor is used until six requests
//! have met silence: giving up earlier interrupts traffic for nothing (RFC 7048). What a claim may
//! change is section 7.2.5's matter. The router flag is not looked at: gateways are configured.
//!
//! # What strangers can take
//! Backends and gateways are [`Role::Infrastructure`]: the configuration names them. The next hop
//! of a client is named by whoever writes a source address. So that a flood of invented clients
//! on the segment cannot stop the rest:
//!
//! | | of | infrastructure | clients |
//! |---|---|---|---|
//! | places | [`CAPACITY`] | [`INFRASTRUCTURE_PLACES`] for it alone | [`CLIENT_PLACES`] for them alone |
//! | packets that wait | [`WAITING_ALL`] | all but what waits for clients | [`WAITING_UNPROVEN`] for those that never answered |
//! | requests in a tick | | [`REQUESTS_PER_TICK`] | [`CLIENT_REQUESTS_PER_TICK`] of their own |
//!
//! A place that nobody uses goes to somebody else of the same role first. The more packets wait,
//! the fewer may wait for one neighbor (a dynamic threshold); [`WAITING_FLOOR`] places are kept for
//! neighbors for which fewer than [`WAITING_MINIMUM`] wait. A client that has answered once has
//! the rights of infrastructure in the queue. Requests for one neighbor are a second apart.

mod announce;
mod duplicate;
mod place;
mod queue;
mod request;
mod state;
mod table;

#[cfg(test)]
mod flood_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use announce::{Announcements, own_addresses};
pub use duplicate::{AddressState, Conflict, DuplicateDetection, OwnAddress};
pub use place::{CAPACITY, CLIENT_PLACES, INFRASTRUCTURE_PLACES, NeighborRef};
pub use queue::{
    QueueFull, WAITING_ALL, WAITING_EACH, WAITING_FLOOR, WAITING_MINIMUM, WAITING_UNPROVEN,
};
pub use request::{CLIENT_REQUESTS_PER_TICK, REQUESTS_PER_TICK, Request};
pub use table::{Foreseen, NeighborEntry, Neighbors, StaticError};

use crate::network::InterfaceIndex;
use crate::wire::MacAddr;

/// Why Viaduct has a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A backend, a gateway or a static entry: named by the configuration or the forwarding table.
    Infrastructure,
    /// On the way to a client: named by a packet's source address, which anybody can write.
    Client,
}

/// How a neighbor's Ethernet address was heard; decides what may change (RFC 4861, 7.2.3, 7.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// In ARP, as sender. Replaces and confirms (RFC 826).
    Arp,
    /// As source link-layer address of a solicitation or a router advertisement. Replaces; another
    /// address than the known one is not confirmed by it.
    Solicitation,
    /// In a neighbor advertisement, as target link-layer address.
    Advertisement {
        /// It answers a solicitation, so it confirms.
        solicited: bool,
        /// It may replace a known address.
        overrides: bool,
    },
}

/// What ARP and Neighbor Discovery have taught one worker, for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Where a neighbor is.
    Neighbor(NeighborUpdate),
    /// Another station on this interface says that it has this address, which is ours.
    Conflict(InterfaceIndex, IpAddr),
}

/// A neighbor's Ethernet address, heard by some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborUpdate {
    /// Where it is.
    pub interface: InterfaceIndex,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address; [`MacAddr::ZERO`] for an advertisement without one, which can only
    /// confirm what is known.
    pub mac: MacAddr,
    /// How it was heard.
    pub claim: Claim,
}

/// What a packet finds that wants to leave by a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Send it there.
    Known(MacAddr),
    /// Let it wait.
    Unresolved,
}

/// What is known of a neighbor (RFC 4861, section 7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborState {
    /// Never needed yet.
    New,
    /// Being asked, and nothing known.
    Incomplete,
    /// Heard lately.
    Reachable,
    /// Known but not confirmed lately; used, and probed when used.
    Stale,
    /// Being asked again, and used meanwhile.
    Probe,
    /// Did not answer.
    Failed,
    /// Given by the configuration: never asked, never changed.
    Static,
}

impl NeighborState {
    /// Its name for operators.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Probe => "probe",
            Self::Failed => "failed",
            Self::Static => "static",
        }
    }
}
