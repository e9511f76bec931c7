//! A VIP is an address like any other: it answers ping and ARP, also to clients on its own segment.
//!
//! ```text
//!   client1: 11.0.0.0/8 via 10.99.0.2 ──┐
//!                                       br0 ── Viaduct 10.99.0.2 ── agent1 (nginx)
//!   client2: 11.0.0.0/8 dev eth0 ───────┘
//! ```

use viaduct_tests::dns::ZONE;
use viaduct_tests::fabric::{Fabric, VIADUCT};
use viaduct_tests::marathon::App;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

#[test]
fn vips_and_the_port_answer_ping_and_arp() {
    let fabric = Fabric::new(2, 1);
    let _nginx = Nginx::start(&fabric, &fabric.agents[0], 31001);
    let app = App::bridge("/web")
        .vip("tcp", "/web:80")
        .task(fabric.agents[0].address, 31001);
    let stage = Stage::of(fabric, vec![app]);
    let target = stage.target("web.marathon", 80);
    let (routed, on_link) = (&stage.fabric.clients[0], &stage.fabric.clients[1]);
    on_link.namespace.ip("route replace 11.0.0.0/8 dev eth0");

    for client in [routed, on_link] {
        for address in [target.ip(), VIADUCT.into()] {
            for size in ["56", "1400"] {
                let address = address.to_string();
                client.namespace.run([
                    "ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", size, &address,
                ]);
            }
        }
        let report = load(client, &format!("--target {target} --requests 10"));
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (10, 0),
            "{}: {report}",
            client.name
        );
    }
    for address in [
        target.ip().to_string(),
        VIADUCT.to_string(),
        "10.99.0.3".into(),
    ] {
        on_link
            .namespace
            .run(["arping", "-I", "eth0", "-c", "2", "-w", "10", &address]);
    }
    // Nobody's address in the pool has no owner on the segment.
    let silent = ["arping", "-I", "eth0", "-c", "1", "-w", "1", "11.255.255.1"];
    assert!(
        !on_link.namespace.output(silent).status.success(),
        "a free address of {ZONE} answers"
    );
}
