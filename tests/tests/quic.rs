//! A QUIC connection outlives changes of the table: it stays with its backend.
//!
//! ```text
//!   client1, client2 (quic) ── Viaduct: 192.0.2.10:4433/udp ──┬── agent1 (quic, drains)
//!                                                             └── agent2 (quic, comes later)
//! ```

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::quic::{Client, Server};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

const PORT: u16 = 4433;

fn outlive(fabric: Fabric, family: Family) {
    let address = vip(family);
    let agents = [0, 1].map(|n| fabric.agents[n].clone());
    let clients = [0, 1].map(|n| fabric.clients[n].clone());
    let servers = [0, 1].map(|n| Server::start(&fabric, &agents[n], &agents[n].addresses(), PORT));
    let [one, two] = agents.each_ref().map(|agent| agent.at(family));
    let target = std::net::SocketAddr::from((address, PORT));
    let entry = || Entry::new(address, PORT, "udp");
    let scene = Scene::new(fabric, &[entry().backend(one, PORT)]);
    scene.wait(target, "udp", 1);
    let mut old = Client::start(&scene.fabric, &clients[0], target, &servers);
    old.wait_for_more(10);

    let changed = entry().draining(one, PORT).backend(two, PORT);
    scene.services.replace(&[changed]);
    scene
        .viaduct
        .wait_for_backend(target, "udp", (two, PORT).into());
    let mut new = Client::start(&scene.fabric, &clients[1], target, &servers);
    let of_new = new.wait_for_more(10);
    let of_old = old.wait_for_more(20);
    assert!(of_old.iter().all(|id| *id == servers[0].id), "{of_old:?}");
    assert!(of_new.iter().all(|id| *id == servers[1].id), "{of_new:?}");
}

#[test]
fn a_connection_stays_while_its_backend_drains_over_ipv4() {
    outlive(Fabric::new(2, 2).with_vip_routes(), Family::V4);
}

#[test]
fn a_connection_stays_while_its_backend_drains_over_ipv6() {
    outlive(Fabric::dual_stack(2, 2).with_vip_routes(), Family::V6);
}
