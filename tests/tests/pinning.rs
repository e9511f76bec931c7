//! A connection stays on its backend while other backends come and go.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: echo:7000 ──┬── agent1 (tcp-echo)
//!     30 connections that live             ├── agent2 (tcp-echo)
//!                                          └── agent3 (tcp-echo): comes and goes
//! ```

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::marathon::App;
use viaduct_tests::peers::{self, Load, load};
use viaduct_tests::stage::Stage;

#[test]
fn living_connections_do_not_move() {
    let fabric = Fabric::new(1, 3);
    let echoes: Vec<_> = fabric
        .agents
        .iter()
        .map(|agent| peers::tcp_echo(&fabric, agent, 7001))
        .collect();
    let third = fabric.agents[2].address;
    let app = App::bridge("/echo").vip("tcp", "/echo:7000");
    let app = app
        .task(fabric.agents[0].address, 7001)
        .task(fabric.agents[1].address, 7001);
    let mut stage = Stage::of(fabric, vec![app]);
    let client = stage.fabric.clients[0].clone();
    let target = stage.target("echo.marathon", 7000);

    let words = format!("--protocol tcp --target {target} --interval 50ms");
    let living = format!("{words} --connections 30 --duration 10s");
    let mut living = Load::start(&stage.fabric, &client, "living", &living);
    eventually("30 living connections", || {
        let active = stage.viaduct.metric("viaduct_flows", &[]);
        expect(active >= 30.0, || format!("{active} flows"))
    });
    for _ in 0..2 {
        stage
            .marathon
            .update(|scenario| scenario.app("/echo").add_task(third, 7001));
        stage.viaduct.wait_for_backends("tcp", 7000, 3);
        let fresh = load(
            &client,
            &format!("{words} --one-shot --connections 10 --requests 6"),
        );
        assert!(
            fresh.answers_of(&echoes[2].id) > 0,
            "the third takes no part: {fresh}"
        );
        stage
            .marathon
            .update(|scenario| scenario.app("/echo").tasks.truncate(2));
        stage.viaduct.wait_for_backends("tcp", 7000, 2);
    }
    living.assert_runs();
    let report = living.finish();
    assert_eq!(report.sums.failed(), 0, "{report}");
    assert_eq!((report.connections, report.moved), (30, 0), "{report}");
    assert_eq!(report.answers_of(&echoes[2].id), 0, "{report}");
}
