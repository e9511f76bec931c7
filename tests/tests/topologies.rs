//! The networks themselves, without Viaduct: both families, the far segment and its narrow link,
//! the second bridge.
//!
//! ```text
//!   client1, agent1 ── br0 ── near ══ 1400 bytes ══ far ── far-client, far-agent
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use viaduct_tests::addressing::{Family, Subnet};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::far::Far;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, Blob, load};
use viaduct_tests::process::Background;
use viaduct_tests::transfer::{download, upload};
use viaduct_tests::two_arm;

fn answers(client: &Host, protocol: &str, to: IpAddr, port: u16) -> u64 {
    let target = SocketAddr::from((to, port));
    let words = format!("--protocol {protocol} --target {target} --requests 10 --timeout 1s");
    load(client, &words).sums.ok
}

#[test]
fn both_families_work_at_once_and_nothing_else_is_on_the_wire() {
    let fabric = Fabric::dual_stack(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let _nginx = Nginx::start(&fabric, agent, 80);
    let _udp = peers::udp_echo(&fabric, agent, 7000);
    let _tcp = peers::tcp_echo(&fabric, agent, 7000);
    for family in Family::ALL {
        for (protocol, port) in [("http", 80), ("udp", 7000), ("tcp", 7000)] {
            let count = answers(client, protocol, agent.at(family), port);
            assert_eq!(count, 10, "{protocol} over {family}");
        }
    }
}

#[test]
fn datagrams_of_many_fragments_are_echoed() {
    let fabric = Fabric::dual_stack(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let echo = peers::udp_echo(&fabric, agent, 7000);
    for family in Family::ALL {
        let target = SocketAddr::from((agent.at(family), 7000));
        let words = format!("--protocol udp --size 4000 --target {target} --requests 10");
        let report = load(client, &words);
        assert_eq!(report.answers_of(&echo.id), 10, "{family}: {report}");
        let counter = if family == Family::V6 {
            "Ip6ReasmOKs"
        } else {
            "IpReasmOKs"
        };
        assert!(
            client.namespace.counter(counter) >= 10,
            "{family}: no fragments"
        );
    }
}

#[test]
fn a_narrow_link_is_learnt_by_both_ends() {
    let fabric = Fabric::dual_stack(1, 1);
    let far = Far::new(&fabric, 1400);
    let agent = &fabric.agents[0];
    let blob = Blob::write(&fabric, 2);
    let _nginx = Nginx::start(&fabric, agent, 80);
    let receiver = peers::receiver(&fabric, agent, 81);
    for family in Family::ALL {
        let (client, server) = (&far.client, agent.at(family));
        let forget = || {
            client.namespace.forget_mtus();
            agent.namespace.forget_mtus();
        };
        forget();
        download(&fabric, client, (server, 80).into(), &blob);
        let learnt = agent.namespace.learnt_mtu(client.at(family));
        assert_eq!(learnt, Some(1400), "{family}: server");
        forget();
        upload(client, (server, 81).into(), &blob, &receiver.id);
        let learnt = client.namespace.learnt_mtu(server);
        assert_eq!(learnt, Some(1400), "{family}: client");
    }
}

#[test]
fn the_second_bridge_is_reached_only_through_a_port_on_both() {
    let fabric = Fabric::dual_stack(1, 0).with_vip_routes();
    let inner = two_arm::agents(&fabric, 2);
    let _echo = peers::udp_echo(&fabric, &inner[0], 7000);
    for family in Family::ALL {
        let to = inner[0].at(family);
        assert_eq!(to, Subnet::SECOND.at(family, 11));
        assert_eq!(answers(&inner[1], "udp", to, 7000), 10, "{family}");
        assert_eq!(answers(&fabric.clients[0], "udp", to, 7000), 0, "{family}");
    }
}

#[test]
fn ten_thousand_connections_are_open_at_once() {
    let fabric = Fabric::new(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let _nginx = Nginx::start(&fabric, agent, 80);
    let words = "--connections 10000 --requests 2 --together --timeout 60s";
    let report = load(client, &format!("{words} --target {}:80", agent.address));
    assert_eq!(
        (report.sums.ok, report.sums.failed()),
        (20_000, 0),
        "{report}"
    );
    assert_eq!(
        (report.connections, report.peak),
        (10_000, 10_000),
        "{report}"
    );
}

#[test]
fn an_event_comes_when_it_is_emitted() {
    let fabric = Fabric::new(1, 1);
    let (client, agent) = (&fabric.clients[0], &fabric.agents[0]);
    let _events = peers::event_stream_at(&fabric, agent, &agent.addresses(), 80);
    let mut command = client.namespace.command("curl");
    command.args(["-sSN", &format!("http://{}:80/events", agent.address)]);
    let mut stream = Background::start("stream", command, &fabric.logs());
    let emit = |word: &str| {
        let url = format!("http://{}:80/emit", agent.address);
        agent.namespace.run(["curl", "-sSf", "-d", word, &url])
    };
    eventually("the stream to be open", || {
        expect(stream.log().contains("data: hello"), || stream.log())
    });
    assert_eq!(emit("first").trim(), "1");
    eventually("the event", || {
        expect(stream.log().contains("data: first"), || stream.log())
    });
    assert!(stream.wait(Duration::ZERO).is_none(), "the stream ended");
}
