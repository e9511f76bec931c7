//! The receiving end of tunnels, fed by a sender that is not Viaduct: real programs behind it.
//!
//! ```text
//!   client1 ── encap ══ ipip | gue ══▶ decap ── agent1 (VIP on lo: nginx, udp-echo)
//!      ◀──────────────── replies, directly ────────┘
//! ```

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::forwarding::{Mode, prepare};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, Blob, load};
use viaduct_tests::transfer::download;
use viaduct_tests::tunnel::decap::Received;
use viaduct_tests::tunnel::encap::Encap;
use viaduct_tests::tunnel::outer::Carrier;
use viaduct_tests::tunnel::wrap::{SOURCE_PORT, TTL};

fn carry(carrier: Carrier, inside: Family, outside: Family) {
    let fabric = Fabric::dual_stack(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let blob = Blob::write(&fabric, 1);
    let vip = vip(inside);
    let backend = prepare(&fabric, agent, Mode::Ipip, &[vip]);
    let nginx = Nginx::start(&fabric, agent, 80);
    let echo = peers::udp_echo_at(&fabric, agent, &backend.listen, 7000);
    let _encap = Encap::start(&fabric, client, carrier, vip, agent.at(outside));

    let target = std::net::SocketAddr::from((vip, 80));
    let report = load(client, &format!("--target {target} --requests 20"));
    assert_eq!(report.answers_of(&nginx.id), 20, "{report}");
    let target = std::net::SocketAddr::from((vip, 7000));
    let words = format!("--protocol udp --target {target} --requests 20");
    assert_eq!(load(client, &words).answers_of(&echo.id), 20);
    download(&fabric, client, (vip, 80).into(), &blob);

    let all = backend.received();
    assert!(all.len() > 40, "{} packets", all.len());
    for received in all {
        let Received::Delivered {
            outer,
            carrier: found,
            udp,
            inner,
        } = received
        else {
            panic!("{received:?}");
        };
        assert_eq!((outer.ttl, outer.destination), (TTL, agent.at(outside)));
        assert_eq!((found, inner.destination), (carrier, vip));
        assert_eq!(inner.source, client.at(inside));
        assert_eq!(udp.map_or(SOURCE_PORT, |udp| udp.source_port), SOURCE_PORT);
    }
}

#[test]
fn ip_in_ip_carries_both_families_in_both() {
    for inside in Family::ALL {
        for outside in Family::ALL {
            carry(Carrier::Ip, inside, outside);
        }
    }
}

#[test]
fn gue_carries_both_families_with_and_without_its_header() {
    carry(Carrier::GueHeader, Family::V4, Family::V4);
    carry(Carrier::GueHeader, Family::V6, Family::V4);
    carry(Carrier::GueDirect, Family::V6, Family::V6);
    carry(Carrier::GueDirect, Family::V4, Family::V6);
}

/// A kernel without tunnels answers that it knows no such protocol; this one must not.
#[test]
fn the_kernel_says_nothing_about_tunnels() {
    let fabric = Fabric::dual_stack(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let vip = vip(Family::V4);
    let backend = prepare(&fabric, agent, Mode::Gue, &[vip]);
    let echo = peers::udp_echo_at(&fabric, agent, &backend.listen, 7000);
    let _encap = Encap::start(
        &fabric,
        client,
        Carrier::GueHeader,
        vip,
        agent.at(Family::V4),
    );
    let words = format!("--protocol udp --target {vip}:7000 --requests 50");
    assert_eq!(load(client, &words).answers_of(&echo.id), 50);
    eventually("all packets to be printed", || {
        expect(backend.received().len() >= 50, || {
            format!("{}", backend.received().len())
        })
    });
    assert_eq!(agent.namespace.counter("IcmpOutDestUnreachs"), 0);
    assert_eq!(client.namespace.counter("IcmpInDestUnreachs"), 0);
}
