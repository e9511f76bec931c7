//! Flows: connections and UDP conversations that have a backend.
//!
//! Each worker owns one [`FlowTable`] per address family; nothing in it is shared. A flow has two
//! keys, one for each direction in which its packets arrive: client → VIP, and backend → source
//! address; or only the first, where replies go straight to the client. The table finds a flow by
//! either, and timer wheels find the ones that have been idle for too long, and those that make room
//! when it is short.
//!
//! A flow, once made, keeps its backend whatever the forwarding table says later. Nothing here
//! reads packets, chooses backends or knows the clock: time is passed in.

pub mod affinity;
mod bitmap;
pub mod entry;
pub mod hash;
pub mod index;
pub mod key;
pub mod snat;
pub mod steering;
pub mod table;
pub mod tcp;
pub mod toeplitz;
pub mod wheel;

pub use entry::{Direction, Flow, FlowIndex};
pub use key::{Address, Endpoint, FlowKey};
pub use table::{Evicted, FlowTable, Probe};
pub use tcp::{Return, State, TcpFacts, Transition};
