//! Flows: connections and UDP conversations that have a backend.
//!
//! Each worker owns one [`FlowTable`]; nothing in it is shared. A flow has two keys, one for each
//! direction in which its packets arrive: client → VIP, and backend → source address. The table
//! finds a flow by either, and a timer wheel finds the ones that have been idle for too long.
//!
//! A flow, once made, keeps its backend whatever the forwarding table says later. Nothing here
//! reads packets, chooses backends or knows the clock: time is passed in.

pub mod entry;
pub mod hash;
pub mod index;
pub mod key;
pub mod snat;
pub mod table;
pub mod wheel;

pub use entry::{Direction, Flow, FlowIndex, State};
pub use key::FlowKey;
pub use table::{FlowTable, Probe};
