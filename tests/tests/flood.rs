//! Established connections during a SYN flood of at least ten times their packet rate: none
//! breaks. The loss of throughput is printed, not judged.
//!
//! ```text
//!   client1 ── 20 connections ──┐
//!   client2 ── SYNs of ─────────┴── Viaduct: 192.0.2.10:80 ── agent1 (nginx)
//!              198.18.0.0/15
//! ```
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{FABRIC, Fabric, Host};
use viaduct_tests::flood::{Flood, SOURCES};
use viaduct_tests::load::Report;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{Load, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

/// An exchange on an open connection: the question, its acknowledgement with the answer, and the
/// acknowledgement of that.
const PACKETS: f64 = 3.0;
/// Flood: packets, seconds and packets per second at most.
const BOUNDS: (u64, u64, u64) = (150_000, 8, 20_000);

fn rate(report: &Report) -> f64 {
    report.sums.ok as f64 * 1000.0 / report.elapsed_ms as f64
}

/// A service with one backend, a client, and who answers nothing to the flood's sources.
fn stage() -> (Scene, Nginx, Host, SocketAddr) {
    let fabric = Fabric::new(2, 1).with_vip_routes();
    let (client, agent) = (fabric.clients[0].clone(), fabric.agents[0].clone());
    for namespace in [&agent.namespace, &fabric.namespace] {
        namespace.ip(&format!("route add blackhole {SOURCES}"));
    }
    let nginx = Nginx::start(&fabric, &agent, 80);
    let target = SocketAddr::from((vip(Family::V4), 80));
    let entry = Entry::new(target.ip(), 80, "tcp").backend(agent.at(Family::V4), 80);
    let gateway = FABRIC.to_string();
    let scene = Scene::with(fabric, &[entry], |s| s.port(0, "gateway", gateway));
    scene.wait(target, "tcp", 1);
    (scene, nginx, client, target)
}

#[test]
fn no_established_connection_breaks() {
    let (scene, _nginx, client, target) = stage();

    // 20 connections at 25 requests a second are 1500 packets a second at most.
    let words = format!("--target {target} --connections 20 --interval 40ms --timeout 10s");
    let calm = load(&client, &format!("{words} --duration 4s"));
    assert_eq!(calm.sums.failed(), 0, "{calm}");
    let words = format!("{words} --duration 12s");
    let mut established = Load::start(&scene.fabric, &client, "established", &words);
    eventually("the connections", || {
        let flows = scene.viaduct.active_flows(target, "tcp");
        expect(flows >= 20, || format!("{flows} flows"))
    });
    let flood = Flood::start(&scene.fabric, &scene.fabric.clients[1], target, BOUNDS).finish();
    established.assert_runs();
    let report = established.finish();
    assert_eq!((report.sums.failed(), report.moved), (0, 0), "{report}");
    assert_eq!(
        report.connections, 20,
        "a connection was opened again: {report}"
    );
    let (during, before) = (rate(&report), rate(&calm));
    let times = flood.sent as f64 / flood.seconds / (during * PACKETS);
    println!("{flood:?}: {times:.1} times the established packets");
    println!("requests per second: {before:.0} before, {during:.0} with the flood");
    assert!(
        times >= 10.0,
        "too small a flood: {flood:?} against {report}"
    );
}

/// Connections that were never finished make room for real ones.
#[test]
fn new_connections_are_made_when_it_is_over() {
    let (scene, nginx, client, target) = stage();
    let sent = Flood::start(&scene.fabric, &scene.fabric.clients[1], target, BOUNDS).finish();
    assert!(sent.sent > 100_000, "more than there are flows: {sent:?}");
    let words = format!("--target {target} --one-shot --requests 20");
    let after = load(&client, &words);
    assert_eq!(
        (after.answers_of(&nginx.id), after.sums.failed()),
        (20, 0),
        "{after}"
    );
}
