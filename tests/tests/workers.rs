//! Several workers: a TAP has no RSS key of ours, so that packets of one connection arrive at
//! either worker, and idle connections go on where they were.
//!
//! ```text
//!   client1 ── br0 ── Viaduct (workers on CPUs 0 and 1) ──┬── agent1 (nginx)
//!                                                         ├── agent2 (nginx)
//!                                                         └── agent3 (nginx)
//! ```

use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

#[test]
fn connections_that_idle_go_on_with_two_workers() {
    let stage = Stage::web_with(3, 3, |settings| settings.cores(&[0, 1]));
    // The kernel forgets which queue of a TAP a flow used after some seconds without a packet.
    let words = "--connections 200 --requests 3 --interval 4500ms --timeout 20s";
    let words = format!("{words} --target {}", stage.web_target());
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!((report.sums.ok, report.sums.failed()), (600, 0), "{report}");
    assert_eq!((report.connections, report.moved), (200, 0), "{report}");

    let metrics = stage.viaduct.metrics();
    let handoffs = metrics.value("viaduct_handoffs_total", &[]);
    assert!(
        handoffs > Some(0.0),
        "no reply came to the wrong worker: {handoffs:?}"
    );
    for worker in ["0", "1"] {
        let received = metrics.value("viaduct_packets_received_total", &[("worker", worker)]);
        assert!(received.is_some(), "worker {worker} has no counter");
    }
}
