//! Marathon's changes reach new connections: scaling up, scaling down, and a task that dies.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                                                ├── agent2 (nginx)
//!                                                └── agent3 (nginx): the third task
//! ```

use viaduct_tests::load::Report;
use viaduct_tests::peers::load;
use viaduct_tests::stage::{Stage, TASK_PORT, WEB, WEB_PORT};

fn knock(stage: &Stage) -> Report {
    let words = format!(
        "--target {} --one-shot --connections 4 --requests 30",
        stage.web_target()
    );
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!((report.sums.ok, report.sums.failed()), (120, 0), "{report}");
    report
}

fn responders(report: &Report) -> Vec<&str> {
    report.sums.responders.keys().map(String::as_str).collect()
}

#[test]
fn scaling_up_and_down_moves_new_connections() {
    let mut stage = Stage::web(3, 2);
    assert_eq!(responders(&knock(&stage)), ["agent1:31001", "agent2:31001"]);

    let third = stage.fabric.agents[2].address;
    stage
        .marathon
        .update(|scenario| scenario.app(WEB).add_task(third, TASK_PORT));
    stage.viaduct.wait_for_backends("tcp", WEB_PORT, 3);
    assert_eq!(responders(&knock(&stage)).len(), 3);

    stage
        .marathon
        .update(|scenario| drop(scenario.app(WEB).tasks.remove(0)));
    stage.viaduct.wait_for_backends("tcp", WEB_PORT, 2);
    assert_eq!(responders(&knock(&stage)), ["agent2:31001", "agent3:31001"]);
}

#[test]
fn a_task_that_died_gets_no_new_connections() {
    let mut stage = Stage::web(3, 3);
    stage.servers[1].crash();
    stage
        .marathon
        .update(|scenario| scenario.app(WEB).tasks[1].state = "TASK_FAILED".into());
    stage.viaduct.wait_for_backends("tcp", WEB_PORT, 2);
    assert_eq!(responders(&knock(&stage)), ["agent1:31001", "agent3:31001"]);
}

#[test]
fn a_task_that_fails_its_health_check_gets_no_new_connections() {
    let mut stage = Stage::web(2, 2);
    stage.marathon.update(|scenario| {
        let app = std::mem::replace(scenario.app(WEB), viaduct_tests::marathon::App::bridge(WEB));
        let mut app = app.checked();
        app.tasks[0].health = vec![false];
        app.tasks[1].health = vec![true];
        *scenario.app(WEB) = app;
    });
    stage.viaduct.wait_for_backends("tcp", WEB_PORT, 1);
    assert_eq!(responders(&knock(&stage)), ["agent2:31001"]);
}
