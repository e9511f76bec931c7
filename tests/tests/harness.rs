//! The harness itself, without Viaduct: servers, clients and the stand-in on the fabric.
//!
//! ```text
//!   client1 ── br0 ── agent1 (nginx, receiver, tcp-echo)
//!                └─── agent2 (udp-echo)
//! ```
#![allow(clippy::unwrap_used)]

use viaduct_tests::fabric::{FABRIC, Fabric};
use viaduct_tests::load::Failure;
use viaduct_tests::marathon::{App, Marathon, Mode, Scenario};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, Blob, load};

#[test]
fn a_client_reaches_the_servers_and_says_who_answered() {
    let fabric = Fabric::new(1, 2);
    let (client, one, two) = (&fabric.clients[0], &fabric.agents[0], &fabric.agents[1]);
    let nginx = Nginx::start(&fabric, one, 31001);
    let tcp = peers::tcp_echo(&fabric, one, 7001);
    let udp = peers::udp_echo(&fabric, two, 7002);
    for (protocol, host, port, id) in [
        ("http", one, 31001, &nginx.id),
        ("tcp", one, 7001, &tcp.id),
        ("udp", two, 7002, &udp.id),
    ] {
        let words = format!("--protocol {protocol} --target {}:{port}", host.address);
        let report = load(client, &format!("{words} --connections 20 --requests 5"));
        assert_eq!(
            (report.answers_of(id), report.connections),
            (100, 20),
            "{report}"
        );
        assert_eq!((report.sums.failed(), report.moved), (0, 0), "{report}");
    }
    let words = format!("--one-shot --target {}:31001 --requests 7", one.address);
    assert_eq!(load(client, &words).connections, 7);
}

#[test]
fn a_crash_resets_open_connections_and_refuses_new_ones() {
    let fabric = Fabric::new(1, 1);
    let agent = &fabric.agents[0];
    let mut nginx = Nginx::start(&fabric, agent, 31001);
    let words = format!(
        "--target {}:31001 --connections 4 --duration 2s",
        agent.address
    );
    let load = peers::Load::start(&fabric, &fabric.clients[0], "load", &words);
    std::thread::sleep(std::time::Duration::from_secs(1));
    nginx.crash();
    let report = load.finish();
    let failures = |kind| report.sums.errors.get(&kind).copied().unwrap_or(0);
    assert!(report.sums.ok > 4, "{report}");
    assert!(
        failures(Failure::Reset) + failures(Failure::Closed) > 0,
        "{report}"
    );
    assert!(failures(Failure::Refused) > 0, "{report}");
}

#[test]
fn a_blob_goes_both_ways_with_its_checksum() {
    let fabric = Fabric::new(1, 1);
    let (client, agent) = (&fabric.clients[0].namespace, &fabric.agents[0]);
    let blob = Blob::write(&fabric, 8);
    let _nginx = Nginx::start(&fabric, agent, 31001);
    let receiver = peers::receiver(&fabric, agent, 31002);
    let copy = fabric.scratch().join("copy");
    let url = format!("http://{}:31001/blob", agent.address);
    client.run(["curl", "-sSf", "-o", copy.to_str().unwrap(), &url]);
    assert_eq!(peers::sha256(&copy), blob.sha256);
    let url = format!("http://{}:31002/upload", agent.address);
    let answer = client.run(["curl", "-sSf", "-T", blob.path.to_str().unwrap(), &url]);
    assert_eq!(
        answer,
        format!("{} {} {}\n", blob.sha256, 8 << 20, receiver.id)
    );
}

#[test]
fn the_stand_in_runs_in_the_fabric_and_fails_on_request() {
    let fabric = Fabric::new(1, 0);
    let client = &fabric.clients[0].namespace;
    let mut marathon = Marathon::start(&fabric, Scenario::of(vec![App::bridge("/web")]));
    let url = format!("http://{FABRIC}:8080/v2/apps");
    assert!(client.get(&url).unwrap().contains("\"/web\""));
    marathon.fail(Mode::Down);
    assert!(client.get(&url).unwrap_err().contains("exit code 7"));
    marathon.fail(Mode::Error500);
    assert!(client.get(&url).unwrap_err().contains("500"));
    marathon.fail(Mode::Ok);
    assert!(client.get(&url).is_ok());
    assert_eq!(marathon.requests()["/v2/apps"], 3);
}
