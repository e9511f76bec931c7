//! What the end-to-end tests and the demo are made of: network namespaces with a fabric
//! bridge, real servers and clients in them, a stand-in for Marathon, and Viaduct itself as a
//! process. Test scenarios are in `tests/`; nothing here asserts what Viaduct should do.
//!
//! Everything that is started is owned by a value that ends it, and a guardian process
//! cleans up if the test process dies instead (see [`guardian`]). Failures of the harness panic
//! with what to do about them: there is no caller who could handle them.

pub mod addressing;
pub mod attachment;
pub mod dns;
pub mod eventually;
pub mod fabric;
pub mod far;
pub mod flood;
pub mod forwarding;
pub mod guardian;
pub mod inspect;
pub mod iperf;
pub mod load;
pub mod marathon;
pub mod metrics;
pub mod name_server;
pub mod namespace;
pub mod nginx;
pub mod peers;
pub mod process;
pub mod programs;
pub mod quic;
pub mod scene;
pub mod server;
pub mod services;
pub mod settings;
pub mod stage;
pub mod transfer;
pub mod tunnel;
pub mod two_arm;
pub mod viaduct;
