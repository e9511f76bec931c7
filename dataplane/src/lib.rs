//! Viaduct's packet path.

pub mod dpdk;
pub mod frame;
pub mod protocol;

pub use protocol::Protocol;
