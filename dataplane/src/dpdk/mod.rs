//! Safe wrappers of DPDK: EAL, packet memory, ports, rings and the worker's [`io::WorkerIo`].
//!
//! This directory is the only place in the crate with `unsafe`. What it promises to the rest:
//!
//! - Everything that needs EAL holds an [`eal::Eal`], so memory is unmapped only after its last user is gone.
//! - A [`mbuf::Mbuf`] has exactly one owner, and its slices never leave its buffer, whatever a driver claims.
//! - A queue has exactly one owner, an inbox one consumer; the types make a second one impossible.
//! - The packet path makes one foreign call per burst, takes no lock and makes no system call (a driver may).
//!
//! It must never hold policy: which ports, how many workers and what to do with a packet come from outside.
//! `README.md` beside this file records what was found out about EAL and the TAP driver.

#![allow(unsafe_code)]

mod advice;
pub mod clock;
mod device;
pub mod eal;
mod errno;
mod hotplug;
pub mod hugepages;
pub mod io;
mod kernel;
mod log;
pub mod mbuf;
pub mod mempool;
pub mod options;
pub mod port;
pub mod port_error;
mod port_setup;
pub mod prefetch;
pub mod queue;
pub mod ring;
pub mod rss;
mod signals;
pub mod thread;

pub use clock::Clock;
pub use eal::{Eal, EalError};
pub use errno::Errno;
pub use io::{IoError, WorkerIo, build};
pub use kernel::LinkFault;
pub use mbuf::Mbuf;
pub use mempool::{Mempool, MempoolError};
pub use options::{EalOptions, Memory};
pub use port::{Link, Port, PortSpec, PortStats};
pub use port_error::PortError;
pub use port_setup::{FRAME_OVERHEAD, Offloads, XDP_HEADROOM};
pub use queue::Queue;
pub use ring::RingError;
pub use rss::Rss;
pub use thread::{EalThread, ThreadError};
