//! Viaduct's packet path: what happens to a packet between two network queues.
//!
//! ```text
//! rx burst → admit → prefetch → flow lookup ─hit──────────────────→ rewrite → tx burst
//!                                   └miss→ VIP → Maglev → new flow ─┘
//! ```
//! Start reading at [`worker`], which moves bursts, and [`pipeline`], which decides. What workers
//! are told from outside is [`table`] (services, changes while they run) and [`network`] (ports and
//! addresses, fixed at start). [`dpdk`] is the only module that touches foreign memory.
//!
//! This crate knows nothing of configuration files, HTTP, DNS or Marathon.

#![deny(unsafe_code)]

pub mod clock;
pub mod counters;
pub mod dpdk;
pub mod family;
pub mod flow;
pub mod fragments;
pub mod frame;
pub mod inspect;
pub mod limits;
pub mod maglev;
pub mod neighbor;
pub mod network;
pub mod offline;
pub mod path_mtu;
pub mod pipeline;
pub mod protocol;
pub mod runtime;
pub mod table;
pub mod verdict;
pub mod wire;
pub mod worker;

pub use protocol::Protocol;
