//! Every mode, in both families, for TCP and UDP, with real programs.
//!
//! ```text
//!   client1 ── Viaduct: 192.0.2.10, 2001:db8::10 : 80/tcp 7000/udp ──┬── agent1 (nginx, udp-echo)
//!                                                                    └── agent2 (nginx, udp-echo)
//! ```
//! The agents of a gateway are on a bridge of their own.

use std::net::{IpAddr, SocketAddr};

use viaduct_tests::addressing::{Family, Subnet, vip};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::forwarding::{Mode, Prepared, backends, prepare, settings};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, load};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;
use viaduct_tests::settings::NAT_NUMBER;
use viaduct_tests::tunnel::decap::Received;

/// One row of the table: a service in `family` whose backends' addresses are of family `behind`.
fn serve(mode: Mode, family: Family, behind: Family) {
    let row = format!("{mode}, {family} to {behind}");
    let fabric = Fabric::dual_stack(1, 2).with_vip_routes();
    let (client, address) = (fabric.clients[0].clone(), vip(family));
    let mut entries = [("tcp", 80), ("udp", 7000)]
        .map(|(protocol, port)| Entry::new(address, port, protocol).set("mode", mode.to_string()));
    let mut peers = Vec::new();
    for agent in &backends(&fabric, mode) {
        let prepared = prepare(&fabric, agent, mode, &[address]);
        let nginx = Nginx::start(&fabric, agent, 80);
        let echo = peers::udp_echo_at(&fabric, agent, &prepared.listen, 7000);
        peers.push((prepared, nginx, echo));
        let [web, datagrams] = entries;
        entries = [
            web.backend(agent.at(behind), 80),
            datagrams.backend(agent.at(behind), 7000),
        ];
    }
    let scene = Scene::with(fabric, &entries, |s| settings(s, mode));
    for (protocol, spoken, port) in [("tcp", "http", 80), ("udp", "udp", 7000)] {
        let target = SocketAddr::from((address, port));
        scene.wait(target, protocol, 2);
        let words = format!("--protocol {spoken} --target {target} --connections 20 --requests 10");
        let report = load(&client, &words);
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
    }
    let from = client
        .namespace
        .get(&format!("http://{}/from", SocketAddr::from((address, 80))));
    let expected = if mode.keeps_client_address() {
        client.at(family)
    } else {
        Subnet::FABRIC.at(family, NAT_NUMBER)
    };
    assert_eq!(
        from.as_deref().map(str::trim),
        Ok(&*expected.to_string()),
        "{row}"
    );
    for (prepared, ..) in peers {
        check_tunnel(&row, mode, address, &prepared);
    }
}

/// What came by a tunnel had right headers (RFC 2003, 2473, 6040), and flows are spread.
fn check_tunnel(row: &str, mode: Mode, vip: IpAddr, prepared: &Prepared) {
    let received = prepared.received();
    assert_eq!(
        !received.is_empty(),
        mode.is_tunnel(),
        "{row}: {}",
        received.len()
    );
    let mut ports = std::collections::BTreeSet::new();
    for packet in received {
        let Received::Delivered {
            outer, udp, inner, ..
        } = packet
        else {
            panic!("{row}: {packet:?}");
        };
        let family = Family::of(outer.source);
        let own = [2, NAT_NUMBER].map(|number| Subnet::FABRIC.at(family, number));
        assert!(own.contains(&outer.source), "{row}: {outer:?}");
        assert_eq!((inner.destination, inner.ttl), (vip, 63), "{row}: one hop");
        assert_eq!((outer.dscp, outer.ecn), (inner.dscp, inner.ecn), "{row}");
        assert!(outer.ttl >= 32 && outer.dont_fragment, "{row}: {outer:?}");
        assert_eq!(udp.is_some(), mode == Mode::Gue, "{row}");
        ports.extend(udp.map(|udp| udp.source_port));
    }
    assert!(
        mode != Mode::Gue || ports.len() > 5,
        "{row}: source ports {ports:?}"
    );
}

fn same_family(mode: Mode) {
    for family in Family::ALL {
        serve(mode, family, family);
    }
}

/// An outer header may be of another family than what it carries.
fn any_family(mode: Mode) {
    for family in Family::ALL {
        for behind in Family::ALL {
            serve(mode, family, behind);
        }
    }
}

#[test]
fn nat() {
    same_family(Mode::Nat);
}

#[test]
fn gateway() {
    same_family(Mode::Gateway);
}

#[test]
fn dsr() {
    same_family(Mode::Dsr);
}

#[test]
fn ipip_in_every_combination_of_families() {
    any_family(Mode::Ipip);
}

#[test]
fn gue_in_every_combination_of_families() {
    any_family(Mode::Gue);
}
