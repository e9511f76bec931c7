//! A stand-in for Marathon: it serves what a scenario file says the way Marathon 1.5 and later
//! does, follows the file as it changes, and fails on request. It launches nothing.

pub mod control;
pub mod events;
pub mod fault;
mod http;
mod process;
pub mod render;
mod routes;
pub mod scenario;
pub mod standin;

pub use fault::{Fault, Mode};
pub use process::Marathon;
pub use scenario::{App, Network, Scenario};
