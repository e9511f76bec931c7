//! Datagrams that come in fragments, both ways.
//!
//! ```text
//!   client1 ── 4000 bytes ── Viaduct: 192.0.2.10:7000/udp ──┬── agent1 (udp-echo)
//!                                                           └── agent2 (udp-echo)
//! ```

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::forwarding::{Mode, backends, prepare, settings};
use viaduct_tests::peers::{self, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

/// Tunnels are not here: an outer packet may not be fragmented, and a fragment has no ports.
fn echo_large(mode: Mode) {
    for family in Family::ALL {
        let fabric = Fabric::dual_stack(1, 2).with_vip_routes();
        let (client, target) = (
            fabric.clients[0].clone(),
            SocketAddr::from((vip(family), 7000)),
        );
        let mut entry = Entry::new(target.ip(), 7000, "udp").set("mode", mode.to_string());
        let mut peers = Vec::new();
        for agent in &backends(&fabric, mode) {
            let prepared = prepare(&fabric, agent, mode, &[target.ip()]);
            peers.push(peers::udp_echo_at(&fabric, agent, &prepared.listen, 7000));
            entry = entry.backend(agent.at(family), 7000);
        }
        let scene = Scene::with(fabric, &[entry], |s| settings(s, mode));
        scene.wait(target, "udp", 2);
        let words = format!("--protocol udp --size 4000 --target {target}");
        let report = load(&client, &format!("{words} --connections 20 --requests 10"));
        let row = format!("{mode}, {family}");
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (200, 0),
            "{row}: {report}"
        );
        assert_eq!(
            (report.moved, report.sums.responders.len()),
            (0, 2),
            "{row}: {report}"
        );
        let counter = if family == Family::V6 {
            "Ip6ReasmOKs"
        } else {
            "IpReasmOKs"
        };
        assert!(
            client.namespace.counter(counter) >= 200,
            "{row}: answers were whole"
        );
    }
}

#[test]
fn nat_keeps_fragments_together() {
    echo_large(Mode::Nat);
}

#[test]
fn gateway_keeps_fragments_together() {
    echo_large(Mode::Gateway);
}

#[test]
fn dsr_keeps_fragments_together() {
    echo_large(Mode::Dsr);
}
