//! Broken packets are dropped and counted by reason, and do no harm.
//!
//! ```text
//!   client1 ── packet socket ── br0 ── Viaduct: my-service:5555 ── agent1 (nginx)
//! ```

use std::path::Path;

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::VIADUCT;
use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

const COUNT: u32 = 20;

const REASONS: [&str; 7] = [
    "truncated",
    "ipv4_header",
    "ipv4_length",
    "ipv4_checksum",
    "tcp_header",
    "udp_length",
    "not_local",
];

fn drops(stage: &Stage, reason: &str) -> f64 {
    stage
        .viaduct
        .metric("viaduct_drops_total", &[("reason", reason)])
}

#[test]
fn each_kind_of_broken_packet_has_its_counter() {
    let stage = Stage::web(1, 1);
    let client = &stage.fabric.clients[0];
    let target = stage.web_target();
    let first = load(client, &format!("--target {target} --requests 1"));
    assert_eq!(first.sums.ok, 1, "{first}");
    let neighbor = client.namespace.ip(&format!("neigh show {VIADUCT}"));
    let mac = neighbor
        .split_whitespace()
        .nth(4)
        .unwrap_or_else(|| panic!("no MAC: {neighbor}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packets/malformed.py");
    let (script, source) = (script.display().to_string(), client.address.to_string());
    let (vip, port, count) = (
        target.ip().to_string(),
        target.port().to_string(),
        COUNT.to_string(),
    );
    for reason in REASONS {
        let before = drops(&stage, reason);
        let words = [
            "python3", &script, "eth0", mac, &source, &vip, &port, reason, &count,
        ];
        client.namespace.run(words);
        eventually(reason, || {
            let counted = drops(&stage, reason) - before;
            expect(counted >= f64::from(COUNT), || {
                format!("{counted} were counted")
            })
        });
    }
    let report = load(
        client,
        &format!("--target {target} --one-shot --requests 20"),
    );
    assert_eq!((report.sums.ok, report.sums.failed()), (20, 0), "{report}");
}
