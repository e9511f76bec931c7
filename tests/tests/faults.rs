//! Marathon fails in every way it can: traffic goes on, the fault is reported, and it heals.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                        │ SSE, reads            └── agent2 (nginx)
//!                     Marathon (stand-in): down, 500, HTML, truncated, empty, slow
//! ```

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::marathon::Mode;
use viaduct_tests::peers::{Load, load};
use viaduct_tests::stage::{Stage, TASK_PORT, WEB, WEB_PORT};

fn wait_for_source(stage: &Stage, up: f64) {
    eventually("viaduct_source_up", || {
        let value = stage
            .viaduct
            .metrics()
            .value("viaduct_source_up", &[("source", "marathon")]);
        expect(value == Some(up), || format!("{value:?} instead of {up}"))
    });
}

/// The line of `/readyz?verbose` about Marathon.
fn verdict(stage: &Stage) -> String {
    let text = stage.viaduct.readiness();
    let line = text.lines().find(|line| line.contains("marathon"));
    line.unwrap_or_else(|| panic!("nothing about marathon in: {text}"))
        .to_owned()
}

#[test]
fn whatever_marathon_does_traffic_goes_on() {
    let mut stage = Stage::web_with(2, 2, |settings| {
        settings
            .set("sources.marathon.resync", "1s")
            .set("sources.marathon.timeout", "2s")
    });
    let client = stage.fabric.clients[0].clone();
    let target = stage.web_target();
    let living = format!("--target {target} --connections 10 --interval 50ms --duration 25s");
    let living = Load::start(&stage.fabric, &client, "living", &living);
    let modes = [
        Mode::Down,
        Mode::Error500,
        Mode::Html,
        Mode::Truncated,
        Mode::Empty,
        Mode::Slow,
    ];
    for mode in modes {
        let good = verdict(&stage);
        stage.marathon.fail(mode);
        wait_for_source(&stage, 0.0);
        let bad = verdict(&stage);
        assert_ne!(good, bad, "{mode:?} is not reported");
        let words = format!("--target {target} --one-shot --connections 4 --requests 10");
        let report = load(&client, &words);
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (40, 0),
            "{mode:?}: {report}"
        );
        assert_eq!(stage.web_target(), target, "{mode:?}");
        stage.viaduct.wait_for_backends("tcp", WEB_PORT, 2);
        stage.marathon.fail(Mode::Ok);
        wait_for_source(&stage, 1.0);
    }
    let report = living.finish();
    assert_eq!(
        (report.sums.failed(), report.connections),
        (0, 10),
        "{report}"
    );
}

#[test]
fn what_changed_during_a_fault_arrives_after_it() {
    let mut stage = Stage::web(2, 1);
    let second = stage.fabric.agents[1].address;
    stage.marathon.fail(Mode::Down);
    wait_for_source(&stage, 0.0);
    stage
        .marathon
        .update(|scenario| scenario.app(WEB).add_task(second, TASK_PORT));
    stage.marathon.fail(Mode::Ok);
    stage.viaduct.wait_for_backends("tcp", WEB_PORT, 2);
}
