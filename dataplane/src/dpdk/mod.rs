//! x
pub mod prefetch;
