//! A service of the host itself on the address of Viaduct's port: what is not Viaduct's goes to the
//! kernel by the exception port, and back.
//!
//! ```text
//!   client1 ── br0 ── Viaduct 10.99.0.2 ── vdhost0 ── kernel (tcp-echo on 10.99.0.2:179)
//!                        └── 192.0.2.10:80 ── agent1 (nginx)
//! ```
//! The fabric's namespace has an address of its own on br0, in the same subnet: answers from the
//! host's address are routed by source, and br0 says nothing about it in ARP.

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, Subnet, vip};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

const INTERFACE: &str = "vdhost0";
const TABLE: &str = "100";
/// A port of BGP's kind: the host's, and no service's.
const PORT: u16 = 179;

/// The kernel's side, once Viaduct has made the interface.
fn join_host_stack(fabric: &Fabric) {
    let host = &fabric.namespace;
    eventually("the exception port", || {
        expect(host.has_interface(INTERFACE), || host.ip("-br link"))
    });
    for &family in fabric.families() {
        let number = if family == Family::V4 { "-4" } else { "-6" };
        let (own, subnet) = (Subnet::FABRIC.at(family, 2), Subnet::FABRIC.cidr(family));
        if family == Family::V6 {
            host.enable_ipv6(INTERFACE);
        }
        let (bits, quick) = (
            family.bits(),
            if family == Family::V6 { "nodad" } else { "" },
        );
        host.ip(&format!(
            "addr replace {own}/{bits} dev {INTERFACE} {quick}"
        ));
        host.ip(&format!("link set {INTERFACE} up"));
        host.ip(&format!("{number} rule add from {own} lookup {TABLE}"));
        host.ip(&format!(
            "{number} route replace {subnet} dev {INTERFACE} table {TABLE}"
        ));
    }
}

#[test]
fn the_hosts_own_service_answers_on_the_ports_address() {
    let fabric = Fabric::dual_stack(1, 1).with_vip_routes();
    fabric.namespace.sysctl("net.ipv4.conf.all.arp_ignore", 1);
    let (client, agent) = (fabric.clients[0].clone(), fabric.agents[0].clone());
    let nginx = Nginx::start(&fabric, &agent, 80);
    let entries =
        Family::ALL.map(|family| Entry::new(vip(family), 80, "tcp").backend(agent.at(family), 80));
    let scene = Scene::with(fabric, &entries, |settings| {
        let mut host = toml::Table::new();
        host.insert("interface".into(), INTERFACE.into());
        settings.port(0, "host", host)
    });
    join_host_stack(&scene.fabric);
    let host = Host {
        name: "host".into(),
        namespace: scene.fabric.namespace.clone(),
        address: Subnet::FABRIC.v4(2),
        address6: Some(Subnet::FABRIC.v6(2)),
    };
    let echo = peers::tcp_echo(&scene.fabric, &host, PORT);
    for family in Family::ALL {
        let own = SocketAddr::from((host.at(family), PORT));
        let words = format!("--protocol tcp --target {own} --connections 5 --requests 10");
        let report = load(&client, &words);
        assert_eq!(report.answers_of(&echo.id), 50, "{family}: {report}");
        let service = SocketAddr::from((vip(family), 80));
        scene.wait(service, "tcp", 1);
        let report = load(&client, &format!("--target {service} --requests 10"));
        assert_eq!(report.answers_of(&nginx.id), 10, "{family}: {report}");
    }
}
