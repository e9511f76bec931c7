//! Long transfers arrive complete, in both directions, and at the same time.
//!
//! ```text
//!   client1 ── br0 ── Viaduct ──┬── download:80 ── agent1 (nginx, 100 MiB)
//!                               └── upload:80 ──── agent2 (receiver)
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;

#[test]
fn a_hundred_mebibytes_arrive_both_ways() {
    scenarios::transfer::a_hundred_mebibytes_arrive_both_ways(Attachment::from_env());
}
