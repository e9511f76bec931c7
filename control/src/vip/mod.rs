//! VIPs as DC/OS knows them: how labels are read, how names are normalised, and which address
//! a name gets.
//!
//! Everything here is a pure function of its arguments or a plain value. Nothing here reads a
//! source, keeps a clock or publishes anything.

pub mod address;
pub mod allocator;
pub mod label;
pub mod name;
pub mod phash2;
pub mod pool;

pub use allocator::{Allocation, Allocator, Allocators};
pub use pool::{Pool, PoolAddress, PoolError};

#[cfg(test)]
mod vectors;
