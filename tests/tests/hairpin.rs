//! A backend that is a client of its own service, also when it is chosen itself.
//!
//! ```text
//!   agent1 (nginx, client) ──▶ Viaduct: 192.0.2.10:80 ──┬──▶ agent1
//!                                                       └──▶ agent2 (nginx)
//! ```

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

fn turn_around(fabric: Fabric, family: Family) {
    let agents = [0, 1].map(|n| fabric.agents[n].clone());
    let _web = agents
        .each_ref()
        .map(|agent| Nginx::start(&fabric, agent, 80));
    let _echo = peers::udp_echo(&fabric, &agents[0], 7000);
    fabric.route_vips(&agents[0]);
    let at = |port| SocketAddr::from((vip(family), port));
    let [one, two] = agents.each_ref().map(|agent| agent.at(family));
    let entries = [
        Entry::new(vip(family), 80, "tcp").backend(one, 80),
        Entry::new(vip(family), 81, "tcp")
            .backend(one, 80)
            .backend(two, 80),
        Entry::new(vip(family), 7000, "udp").backend(one, 7000),
    ];
    let scene = Scene::new(fabric, &entries);
    scene.wait(at(80), "tcp", 1);
    scene.wait(at(81), "tcp", 2);
    scene.wait(at(7000), "udp", 1);
    for (target, words, responders) in [
        (at(80), "", 1),
        (at(81), "", 2),
        (at(7000), "--protocol udp", 1),
    ] {
        let words = format!("{words} --target {target} --connections 20 --requests 5");
        let report = load(&agents[0], &words);
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (100, 0),
            "{target}: {report}"
        );
        assert_eq!(
            report.sums.responders.len(),
            responders,
            "{target}: {report}"
        );
    }
}

#[test]
fn a_backend_reaches_itself_over_ipv4() {
    turn_around(Fabric::new(0, 2), Family::V4);
}

#[test]
fn a_backend_reaches_itself_over_ipv6() {
    turn_around(Fabric::dual_stack(0, 2), Family::V6);
}
