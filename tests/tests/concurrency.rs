//! Many connections at once, without a single error.
//!
//! ```text
//!   client1 ── 500 connections ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                                                            ├── agent2 (nginx)
//!                                                            └── agent3 (nginx)
//! ```

use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

#[test]
fn five_hundred_connections_live_at_once() {
    let stage = Stage::web(3, 3);
    let words = "--connections 500 --requests 10 --interval 300ms --timeout 20s";
    let words = format!("{words} --target {}", stage.web_target());
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!(
        (report.sums.ok, report.sums.failed()),
        (5000, 0),
        "{report}"
    );
    assert_eq!((report.connections, report.moved), (500, 0), "{report}");
}

#[test]
fn five_hundred_clients_open_a_connection_for_each_request() {
    let stage = Stage::web(3, 3);
    let words = "--connections 500 --one-shot --requests 6 --timeout 20s";
    let words = format!("{words} --target {}", stage.web_target());
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!(
        (report.sums.ok, report.sums.failed()),
        (3000, 0),
        "{report}"
    );
    assert_eq!(report.connections, 3000, "{report}");
}
