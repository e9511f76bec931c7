//! Name servers behind a VIP: DNS over UDP and TCP, and answers too large for either's small case.
//!
//! ```text
//!   client1 (dig) ── Viaduct: 192.0.2.10:53/udp,tcp ──┬── agent1 (dnsmasq)
//!                                                     └── agent2 (dnsmasq)
//! ```

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::name_server::{LARGE, LARGE_RECORDS, NameServer, SMALL, SMALL_TEXT};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

/// The records, and whether dig had to ask again over TCP.
fn dig(client: &Host, at: SocketAddr, name: &str, options: &[&str]) -> (Vec<String>, bool) {
    let server = format!("@{}", at.ip());
    let mut words = vec![
        "dig",
        &server,
        "+time=2",
        "+tries=1",
        "+noall",
        "+answer",
        "+comments",
    ];
    words.extend(options);
    words.extend([name, "TXT"]);
    let text = client.namespace.run(words);
    let is_record = |line: &&str| line.contains("\tTXT\t");
    let records = text.lines().filter(is_record).map(str::to_owned).collect();
    (records, text.contains("Truncated, retrying in TCP mode"))
}

fn ask(fabric: Fabric, family: Family) {
    let client = fabric.clients[0].clone();
    let agents = [0, 1].map(|n| fabric.agents[n].clone());
    let _servers = agents
        .each_ref()
        .map(|agent| NameServer::start(&fabric, agent));
    let at = SocketAddr::from((vip(family), 53));
    let entry = Entry::new(at.ip(), 53, "udp,tcp");
    let entry = agents
        .iter()
        .fold(entry, |entry, agent| entry.backend(agent.at(family), 53));
    let scene = Scene::new(fabric, &[entry]);
    scene.wait(at, "udp", 2);
    scene.wait(at, "tcp", 2);
    for options in [&[][..], &["+tcp"], &["+notcp", "+bufsize=512"]] {
        let (records, _) = dig(&client, at, SMALL, options);
        assert_eq!(records.len(), 1, "{options:?}: {records:?}");
        assert!(records[0].contains(SMALL_TEXT), "{options:?}: {records:?}");
    }
    let (records, again) = dig(&client, at, LARGE, &["+bufsize=1232"]);
    assert_eq!((records.len(), again), (LARGE_RECORDS, true), "{records:?}");
    let (records, again) = dig(&client, at, LARGE, &["+tcp"]);
    assert_eq!(
        (records.len(), again),
        (LARGE_RECORDS, false),
        "{records:?}"
    );
}

#[test]
fn small_and_large_answers_come_over_ipv4() {
    ask(Fabric::new(1, 2).with_vip_routes(), Family::V4);
}

#[test]
fn small_and_large_answers_come_over_ipv6() {
    ask(Fabric::dual_stack(1, 2).with_vip_routes(), Family::V6);
}
