//! SIGTERM: Viaduct ends within two seconds, under load too, leaves nothing, and starts again.
//!
//! ```text
//!   client1 ── load ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                                                 └── agent2 (nginx)
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;

#[test]
fn sigterm_ends_it_in_time_and_nothing_is_left() {
    scenarios::shutdown::sigterm_ends_it_in_time_and_nothing_is_left(Attachment::from_env());
}

#[test]
fn sigterm_before_the_first_read_ends_it_too() {
    scenarios::shutdown::sigterm_before_the_first_read_ends_it_too(Attachment::from_env());
}
