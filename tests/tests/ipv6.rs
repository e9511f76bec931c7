//! IPv6 beyond balancing: neighbor discovery, echo, and a second port.
//!
//! ```text
//!   client1 ── br0 ── Viaduct fd00:99::2, fd00:99:1::2 ── br1 ── inner1 (nginx)
//!                └─── agent1 (nginx)
//! ```

use std::net::{IpAddr, SocketAddr};

use viaduct_tests::addressing::{Family, Subnet, vip};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;
use viaduct_tests::two_arm;

fn ping(host: &Host, to: IpAddr) {
    let to = to.to_string();
    host.namespace
        .run(["ping", "-c", "3", "-i", "0.1", "-W", "2", &to]);
}

#[test]
fn viaduct_is_a_neighbor_and_answers_echo() {
    let fabric = Fabric::dual_stack(1, 1).with_vip_routes();
    let (client, agent) = (fabric.clients[0].clone(), fabric.agents[0].clone());
    let nginx = Nginx::start(&fabric, &agent, 80);
    let target = SocketAddr::from((vip(Family::V6), 80));
    let entry = Entry::new(target.ip(), 80, "tcp").backend(agent.at(Family::V6), 80);
    let scene = Scene::new(fabric, &[entry]);
    scene.wait(target, "tcp", 1);
    for family in Family::ALL {
        ping(&client, Subnet::FABRIC.at(family, 2));
    }
    ping(&client, target.ip());
    for _ in 0..3 {
        client.namespace.ip("-6 neighbor flush dev eth0");
        agent.namespace.ip("-6 neighbor flush dev eth0");
        let report = load(&client, &format!("--target {target} --requests 5"));
        assert_eq!(report.answers_of(&nginx.id), 5, "{report}");
    }
}

/// The first packet of a flow waits for neighbor discovery; TCP would hide that it was lost.
#[test]
fn no_packet_is_lost_while_a_neighbor_is_discovered() {
    let fabric = Fabric::dual_stack(1, 1).with_vip_routes();
    let (client, agent) = (fabric.clients[0].clone(), fabric.agents[0].clone());
    let echo = viaduct_tests::peers::udp_echo(&fabric, &agent, 7000);
    let target = SocketAddr::from((vip(Family::V6), 7000));
    let entry = Entry::new(target.ip(), 7000, "udp").backend(agent.at(Family::V6), 7000);
    let scene = Scene::new(fabric, &[entry]);
    scene.wait(target, "udp", 1);
    let report = load(
        &client,
        &format!("--protocol udp --target {target} --requests 1"),
    );
    assert_eq!(report.answers_of(&echo.id), 1, "{report}");
}

#[test]
fn two_ports_serve_both_families() {
    let fabric = Fabric::dual_stack(1, 0).with_vip_routes();
    let client = fabric.clients[0].clone();
    let inner = two_arm::agents(&fabric, 2);
    let _servers = [0, 1].map(|n| Nginx::start(&fabric, &inner[n], 80));
    let entries = Family::ALL.map(|family| {
        let entry = Entry::new(vip(family), 80, "tcp").set("mode", "gateway");
        inner
            .iter()
            .fold(entry, |entry, host| entry.backend(host.at(family), 80))
    });
    let scene = Scene::with(fabric, &entries, |settings| settings.second_port());
    for family in Family::ALL {
        let target = SocketAddr::from((vip(family), 80));
        scene.wait(target, "tcp", 2);
        let words = format!("--target {target} --connections 20 --requests 5");
        let report = load(&client, &words);
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (100, 0),
            "{family}: {report}"
        );
        let from = client.namespace.get(&format!("http://{target}/from"));
        let address = client.at(family).to_string();
        assert_eq!(from.as_deref().map(str::trim), Ok(&*address), "{family}");
    }
}
