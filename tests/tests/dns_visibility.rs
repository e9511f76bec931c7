//! From when on a name is visible, and until when.
//!
//! ```text
//!   client1 ── dig @10.99.0.1 ── Viaduct ── Marathon (stand-in)
//!         └─── br0 ───────────── VIPs ───── agent1 (nginx)
//! ```
#![allow(clippy::unwrap_used)]

use viaduct_tests::dns::{ZONE, ask};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::marathon::{App, Marathon, Mode, Scenario};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::settings::Settings;
use viaduct_tests::stage::{Stage, TASK_PORT, WEB, WEB_NAME};
use viaduct_tests::viaduct::Viaduct;

#[test]
fn a_name_is_only_visible_when_its_service_forwards_and_goes_with_its_app() {
    let mut stage = Stage::web(1, 1);
    let agent = stage.fabric.agents[0].clone();
    let _late = Nginx::start(&stage.fabric, &agent, TASK_PORT + 1);
    let late = App::bridge("/late")
        .vip("tcp", "/late:80")
        .task(agent.address, TASK_PORT + 1);
    stage.marathon.update(|scenario| scenario.apps.push(late));
    let target = stage.target("late.marathon", 80);
    // The very first connection after the name appears must work.
    let report = load(
        &stage.fabric.clients[0],
        &format!("--target {target} --requests 1"),
    );
    assert_eq!((report.sums.ok, report.sums.failed()), (1, 0), "{report}");

    stage
        .marathon
        .update(|scenario| scenario.apps.retain(|app| app.id == WEB));
    eventually("the name to go", || {
        let answer = ask(
            &stage.fabric.clients[0],
            &format!("late.marathon.{ZONE}"),
            "A",
            &[],
        )?;
        expect(answer.status == "NXDOMAIN", || format!("{answer:?}"))
    });
}

#[test]
fn before_the_first_table_there_is_no_name_and_no_readiness() {
    let fabric = Fabric::new(1, 1);
    let client = &fabric.clients[0];
    let _nginx = Nginx::start(&fabric, &fabric.agents[0], TASK_PORT);
    let app = App::bridge(WEB).vip("tcp", "/my-service:5555");
    let app = app.task(fabric.agents[0].address, TASK_PORT);
    let mut marathon = Marathon::start(&fabric, Scenario::of(vec![app]));
    marathon.fail(Mode::Error500);
    let settings = Settings::default()
        .marathon(&marathon.url())
        .set("sources.marathon.resync", "1s");
    let mut viaduct = Viaduct::spawn(&fabric, settings);
    eventually("a failed read", || {
        let up = fabric.namespace.get("http://127.0.0.1:9100/metrics");
        expect(
            up?.contains("viaduct_source_up{source=\"marathon\"} 0"),
            || viaduct.log(),
        )
    });
    assert!(fabric.namespace.get("http://127.0.0.1:9100/livez").is_ok());
    assert!(
        fabric
            .namespace
            .get("http://127.0.0.1:9100/readyz")
            .is_err()
    );
    let early = ask(client, &format!("{WEB_NAME}.{ZONE}"), "A", &[]);
    assert!(early.is_err() || early.is_ok_and(|answer| answer.records.is_empty()));
    marathon.fail(Mode::Ok);
    viaduct.wait_until_ready();
    let answer = ask(client, &format!("{WEB_NAME}.{ZONE}"), "A", &[]).unwrap();
    assert_eq!(answer.addresses().len(), 1, "{answer:?}");
}
