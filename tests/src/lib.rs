//! What the end-to-end tests and the demo are made of: network namespaces with a fabric
//! bridge, real servers and clients in them, a stand-in for Marathon, and Viaduct itself as a
//! process. Test scenarios are in `tests/`; nothing here asserts what Viaduct should do.
//!
//! Everything that is started is owned by a value that ends it, and a guardian process
//! cleans up if the test process dies instead (see [`guardian`]). Failures of the harness panic
//! with what to do about them: there is no caller who could handle them.

pub mod dns;
pub mod eventually;
pub mod fabric;
pub mod guardian;
pub mod inspect;
pub mod load;
pub mod marathon;
pub mod metrics;
pub mod namespace;
pub mod nginx;
pub mod peers;
pub mod process;
pub mod programs;
pub mod settings;
pub mod stage;
pub mod viaduct;
