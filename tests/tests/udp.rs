//! Datagrams: each client socket keeps its backend, and one port can be both UDP and TCP.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: echo:7000/udp,tcp ──┬── agent1 (udp-echo, tcp-echo)
//!                                                  └── agent2 (udp-echo, tcp-echo)
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;

#[test]
fn udp_and_tcp_are_served_on_one_port() {
    scenarios::udp::udp_and_tcp_are_served_on_one_port(Attachment::from_env());
}
