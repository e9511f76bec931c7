//! New connections are spread over all backends of a service.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                                                ├── agent2 (nginx)
//!                                                └── agent3 (nginx)
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;

#[test]
fn every_backend_gets_its_share_of_new_connections() {
    scenarios::spread::every_backend_gets_its_share_of_new_connections(Attachment::from_env());
}
