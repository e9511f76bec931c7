//! Path-MTU discovery works through every mode, in both directions, by ICMP alone.
//!
//! ```text
//!   client1, agent1 ── br0 ── near ══ 1400 bytes ══ far ── far-client, far-agent
//!                       └──── Viaduct
//! ```
//! Neither probing nor clamping is on. What a kernel has learnt is forgotten before each
//! transfer, because it shows in the segment size that it announces to the other side.

use std::net::{IpAddr, SocketAddr};

use viaduct_tests::addressing::{Family, Subnet, vip};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::far::Far;
use viaduct_tests::forwarding::{Mode, Prepared, prepare};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, Blob, Peer};
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;
use viaduct_tests::settings::NAT_NUMBER;
use viaduct_tests::transfer::{download, upload};

const NARROW: u16 = 1400;
/// What IPIP over IPv4 adds, the smallest of the outer headers.
const SMALLEST_OUTER: u32 = 20;

/// A fabric with the far segment, and one backend for downloads (80) and uploads (81).
struct Path {
    scene: Scene,
    far: Far,
    blob: Blob,
    vip: IpAddr,
    receiver: Peer,
    _nginx: Nginx,
    _prepared: Prepared,
}

fn path(mode: Mode, family: Family, backend_is_far: bool) -> Path {
    let fabric = Fabric::dual_stack(1, 1).with_vip_routes();
    let far = Far::new(&fabric, NARROW);
    let agent = if backend_is_far {
        &far.agent
    } else {
        &fabric.agents[0]
    };
    let (blob, vip) = (Blob::write(&fabric, 4), vip(family));
    let prepared = prepare(&fabric, agent, mode, &[vip]);
    let nginx = Nginx::start(&fabric, agent, 80);
    let receiver = peers::receiver_at(&fabric, agent, &prepared.listen, 81);
    let entries = [80, 81].map(|port| {
        let entry = Entry::new(vip, port, "tcp").set("mode", mode.to_string());
        entry.backend(agent.at(family), port)
    });
    let scene = Scene::with(fabric, &entries, |settings| {
        settings.far_gateway(&Family::ALL)
    });
    for port in [80, 81] {
        scene.wait((vip, port).into(), "tcp", 1);
    }
    Path {
        scene,
        far,
        blob,
        vip,
        receiver,
        _nginx: nginx,
        _prepared: prepared,
    }
}

impl Path {
    fn fetch(&self, client: &Host, agent: &Host) {
        forget(client, agent);
        let from = SocketAddr::from((self.vip, 80));
        download(&self.scene.fabric, client, from, &self.blob);
    }

    fn send(&self, client: &Host, agent: &Host) {
        forget(client, agent);
        upload(client, (self.vip, 81).into(), &self.blob, &self.receiver.id);
    }
}

fn forget(client: &Host, agent: &Host) {
    client.namespace.forget_mtus();
    agent.namespace.forget_mtus();
}

/// The link is between the client and Viaduct: errors about what the backend sends come to the VIP.
fn learn_about_the_way_to_the_client(mode: Mode) {
    for family in Family::ALL {
        let path = path(mode, family, false);
        let (client, agent) = (&path.far.client, &path.scene.fabric.agents[0]);
        path.fetch(client, agent);
        let sees = if mode.keeps_client_address() {
            client.at(family)
        } else {
            Subnet::FABRIC.at(family, NAT_NUMBER)
        };
        let learnt = agent.namespace.learnt_mtu(sees);
        assert_eq!(learnt, Some(NARROW.into()), "{mode}, {family}: backend");
        path.send(client, agent);
        let learnt = client.namespace.learnt_mtu(path.vip);
        assert!(
            learnt.is_some_and(|mtu| mtu <= NARROW.into()),
            "{mode}, {family}: {learnt:?}"
        );
    }
}

/// The link is between Viaduct and the backend: errors come to Viaduct, about what it sent.
fn learn_about_the_way_to_the_backend(mode: Mode) {
    for family in Family::ALL {
        let path = path(mode, family, true);
        let client = &path.scene.fabric.clients[0];
        if mode == Mode::Gateway {
            return_through_viaduct(&path.far.near, client, family);
        }
        path.fetch(client, &path.far.agent);
        path.send(client, &path.far.agent);
        let largest = u32::from(NARROW) - if mode.is_tunnel() { SMALLEST_OUTER } else { 0 };
        let learnt = client.namespace.learnt_mtu(path.vip);
        assert!(
            learnt.is_some_and(|mtu| mtu <= largest),
            "{mode}, {family}: {learnt:?}"
        );
    }
}

/// A gateway is on the way of everything between its backends and the clients, errors included.
fn return_through_viaduct(router: &Host, client: &Host, family: Family) {
    let (to, bits) = (client.at(family), family.bits());
    let viaduct = Subnet::FABRIC.at(family, 2);
    router
        .namespace
        .ip(&format!("route replace {to}/{bits} via {viaduct}"));
}

/// An outer header does not fit behind a packet that fills Viaduct's port: Viaduct says so.
fn learn_about_the_outer_header(mode: Mode) {
    for family in Family::ALL {
        let path = path(mode, family, false);
        let (client, agent) = (&path.scene.fabric.clients[0], &path.scene.fabric.agents[0]);
        path.send(client, agent);
        let learnt = client.namespace.learnt_mtu(path.vip);
        let largest = 1500 - SMALLEST_OUTER;
        assert!(
            learnt.is_some_and(|mtu| mtu <= largest),
            "{mode}, {family}: {learnt:?}"
        );
    }
}

#[test]
fn nat_learns_about_the_way_to_the_client() {
    learn_about_the_way_to_the_client(Mode::Nat);
}

#[test]
fn gateway_learns_about_the_way_to_the_client() {
    learn_about_the_way_to_the_client(Mode::Gateway);
}

#[test]
fn dsr_learns_about_the_way_to_the_client() {
    learn_about_the_way_to_the_client(Mode::Dsr);
}

#[test]
fn ipip_learns_about_the_way_to_the_client() {
    learn_about_the_way_to_the_client(Mode::Ipip);
}

#[test]
fn gue_learns_about_the_way_to_the_client() {
    learn_about_the_way_to_the_client(Mode::Gue);
}

#[test]
fn nat_learns_about_the_way_to_the_backend() {
    learn_about_the_way_to_the_backend(Mode::Nat);
}

#[test]
fn gateway_learns_about_the_way_to_the_backend() {
    learn_about_the_way_to_the_backend(Mode::Gateway);
}

#[test]
fn ipip_learns_about_the_way_to_the_backend() {
    learn_about_the_way_to_the_backend(Mode::Ipip);
}

#[test]
fn gue_learns_about_the_way_to_the_backend() {
    learn_about_the_way_to_the_backend(Mode::Gue);
}

#[test]
fn ipip_learns_about_the_outer_header() {
    learn_about_the_outer_header(Mode::Ipip);
}

#[test]
fn gue_learns_about_the_outer_header() {
    learn_about_the_outer_header(Mode::Gue);
}
