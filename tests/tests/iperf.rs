//! iperf3 through Viaduct: TCP and UDP, both directions. The rates are printed, not judged.
//!
//! ```text
//!   client1 (iperf3) ── Viaduct: 192.0.2.10:5201/tcp,udp ── agent1 (iperf3)
//! ```
#![allow(clippy::print_stdout)]

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::iperf::{PORT, Server, run};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

/// Enough that a stream has run, little enough for any machine.
const SOME: u64 = 100_000;

fn measure(fabric: Fabric, family: Family) {
    let (client, agent) = (fabric.clients[0].clone(), fabric.agents[0].clone());
    let _server = Server::start(&fabric, &agent);
    let target = std::net::SocketAddr::from((vip(family), PORT));
    let entry = Entry::new(target.ip(), PORT, "udp,tcp").backend(agent.at(family), PORT);
    let scene = Scene::new(fabric, &[entry]);
    scene.wait(target, "tcp", 1);
    scene.wait(target, "udp", 1);
    for words in [
        &["--parallel", "4"][..],
        &["--parallel", "4", "--reverse"],
        &["--udp", "--bitrate", "20M", "--length", "1200"],
        &["--udp", "--bitrate", "20M", "--length", "1200", "--reverse"],
    ] {
        let outcome = run(&client, target, words);
        let (rate, lost) = (outcome.rate / 1e6, outcome.lost);
        println!("{family} {words:?}: {rate:.0} Mbit/s, {lost:.2} % lost");
        assert!(outcome.received > SOME, "{family} {words:?}: {outcome:?}");
    }
}

#[test]
fn tcp_and_udp_flow_both_ways_over_ipv4() {
    measure(Fabric::new(1, 1).with_vip_routes(), Family::V4);
}

#[test]
fn tcp_and_udp_flow_both_ways_over_ipv6() {
    measure(Fabric::dual_stack(1, 1).with_vip_routes(), Family::V6);
}
