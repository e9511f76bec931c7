//! A backend that goes: its connections are reset, or kept if the service says so. A backend that
//! drains keeps its connections and gets no new ones.
//!
//! ```text
//!   client1 ── 10 connections ── Viaduct: 192.0.2.10:80 ──┬── agent1 (nginx, goes or drains)
//!                                                         └── agent2 (nginx, stays)
//! ```

use std::net::{IpAddr, SocketAddr};

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::load::{Failure, Report};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{Load, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

const ONE: &str = "agent1:80";
const TWO: &str = "agent2:80";

/// Opens ten connections to the first backend, changes the entry, and returns what they saw, and
/// what new connections saw after the change.
fn change(family: Family, changed: impl Fn(Entry, [IpAddr; 2]) -> Entry) -> (Report, Report) {
    let fabric = Fabric::dual_stack(1, 2).with_vip_routes();
    let (client, agents) = (
        fabric.clients[0].clone(),
        [0, 1].map(|n| fabric.agents[n].clone()),
    );
    let _web = agents
        .each_ref()
        .map(|agent| Nginx::start(&fabric, agent, 80));
    let addresses = agents.each_ref().map(|agent| agent.at(family));
    let target = SocketAddr::from((vip(family), 80));
    let entry = || Entry::new(target.ip(), 80, "tcp");
    let first = changed(entry(), addresses).only(addresses[0], 80);
    let scene = Scene::new(fabric, &[first]);
    scene.wait(target, "tcp", 1);
    let words = format!("--target {target} --connections 10 --interval 50ms --duration 6s");
    let mut old = Load::start(&scene.fabric, &client, "old", &words);
    eventually("the connections", || {
        let flows = scene.viaduct.active_flows(target, "tcp");
        expect(flows >= 10, || format!("{flows} flows"))
    });
    scene.services.replace(&[changed(entry(), addresses)]);
    let second = SocketAddr::from((addresses[1], 80));
    scene.viaduct.wait_for_backend(target, "tcp", second);
    let new = load(
        &client,
        &format!("--target {target} --one-shot --requests 20"),
    );
    old.assert_runs();
    (old.finish(), new)
}

fn assert_new_ones_go_to_the_second(new: &Report) {
    assert_eq!((new.answers_of(TWO), new.sums.failed()), (20, 0), "{new}");
}

#[test]
fn connections_of_a_removed_backend_are_reset() {
    for family in Family::ALL {
        let (old, new) = change(family, |entry, [_, two]| entry.backend(two, 80));
        assert_new_ones_go_to_the_second(&new);
        let kinds: Vec<_> = old
            .sums
            .errors
            .iter()
            .map(|(kind, n)| (*kind, *n))
            .collect();
        assert_eq!(kinds, [(Failure::Reset, 10)], "{family}: {old}");
        assert_eq!((old.connections, old.moved), (20, 0), "{family}: {old}");
        assert!(old.answers_of(TWO) > 0, "{family}: nobody came back: {old}");
    }
}

#[test]
fn connections_of_a_removed_backend_stay_if_the_service_says_so() {
    let (old, new) = change(Family::V4, |entry, [_, two]| {
        entry.set("on_removal", "keep").backend(two, 80)
    });
    assert_new_ones_go_to_the_second(&new);
    assert_eq!((old.sums.failed(), old.connections), (0, 10), "{old}");
    assert_eq!(old.answers_of(ONE), old.sums.ok, "{old}");
}

#[test]
fn connections_of_a_draining_backend_go_on() {
    for family in Family::ALL {
        let (old, new) = change(family, |entry, [one, two]| {
            entry.draining(one, 80).backend(two, 80)
        });
        assert_new_ones_go_to_the_second(&new);
        assert_eq!(
            (old.sums.failed(), old.connections),
            (0, 10),
            "{family}: {old}"
        );
        assert_eq!(old.answers_of(ONE), old.sums.ok, "{family}: {old}");
    }
}
