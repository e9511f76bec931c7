//! What Viaduct asks of and does to the machine it runs on: CPUs and kernel network interfaces.

mod cpus;
mod link;

pub use cpus::{CpusError, cpus};
pub use link::{LinkError, attach_tap, tap_is_free};
