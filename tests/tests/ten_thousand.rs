//! Ten thousand connections that are all open at once, without a single error.
//!
//! ```text
//!   client1 ── 10,000 connections ── Viaduct: 192.0.2.10:80 ──┬── agent1 (nginx)
//!                                                             └── agent2 (nginx)
//! ```

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

fn open(fabric: Fabric, family: Family) {
    let (client, target) = (
        fabric.clients[0].clone(),
        SocketAddr::from((vip(family), 80)),
    );
    let agents = [0, 1].map(|n| fabric.agents[n].clone());
    let _web = agents
        .each_ref()
        .map(|agent| Nginx::start(&fabric, agent, 80));
    let entry = Entry::new(target.ip(), 80, "tcp");
    let entry = agents
        .iter()
        .fold(entry, |entry, agent| entry.backend(agent.at(family), 80));
    let scene = Scene::new(fabric, &[entry]);
    scene.wait(target, "tcp", 2);
    let words = format!("--target {target} --connections 10000 --requests 3 --together");
    let report = load(&client, &format!("{words} --timeout 60s"));
    assert_eq!(
        (report.sums.ok, report.sums.failed()),
        (30_000, 0),
        "{report}"
    );
    assert_eq!((report.peak, report.moved), (10_000, 0), "{report}");
}

#[test]
fn ten_thousand_live_at_once_over_ipv4() {
    open(Fabric::new(1, 2).with_vip_routes(), Family::V4);
}

#[test]
fn ten_thousand_live_at_once_over_ipv6() {
    open(Fabric::dual_stack(1, 2).with_vip_routes(), Family::V6);
}
