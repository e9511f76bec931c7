//! Datagrams: each client socket keeps its backend, and one port can be both UDP and TCP.

use viaduct_tests::attachment::Attachment;
use viaduct_tests::fabric::Fabric;
use viaduct_tests::marathon::App;
use viaduct_tests::peers::{self, load};
use viaduct_tests::stage::Stage;

pub(crate) fn udp_and_tcp_are_served_on_one_port(over: Attachment) {
    let fabric = Fabric::with(over, 1, 2);
    let mut app = App::bridge("/echo").vip("udp,tcp", "/echo:7000");
    let mut peers = Vec::new();
    for agent in &fabric.agents {
        app.add_task(agent.address, 7001);
        peers.push(peers::udp_echo(&fabric, agent, 7001));
        peers.push(peers::tcp_echo(&fabric, agent, 7001));
    }
    let stage = Stage::of(fabric, vec![app]);
    let target = stage.target("echo.marathon", 7000);
    for protocol in ["udp", "tcp"] {
        stage.viaduct.wait_for_backends(protocol, 7000, 2);
        let words = format!("--protocol {protocol} --target {target}");
        let report = load(
            &stage.fabric.clients[0],
            &format!("{words} --connections 50 --requests 10"),
        );
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (500, 0),
            "{protocol}: {report}"
        );
        assert_eq!(
            (report.connections, report.moved),
            (50, 0),
            "{protocol}: {report}"
        );
        assert_eq!(report.sums.responders.len(), 2, "{protocol}: {report}");
    }
}
