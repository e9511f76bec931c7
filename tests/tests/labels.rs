//! Labels that cannot be used are reported with their app, and harm nothing else.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: good:5555 ── agent1 (nginx)
//!                     /mixed: VIP_0=/good:5555, VIP_1=invalid-port::1234; VIP_0=missing-port
//! ```

use viaduct_tests::fabric::Fabric;
use viaduct_tests::marathon::App;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

#[test]
fn a_bad_label_is_reported_while_the_others_of_its_app_work() {
    let fabric = Fabric::new(1, 1);
    let nginx = Nginx::start(&fabric, &fabric.agents[0], 31001);
    let app = App::bridge("/mixed")
        .port(
            "tcp",
            &[("VIP_0", "/good:5555"), ("VIP_1", "invalid-port::1234")],
        )
        .port("tcp", &[("VIP_0", "missing-port")])
        .task(fabric.agents[0].address, 31001);
    let stage = Stage::of(fabric, vec![app]);
    let target = stage.target("good.marathon", 5555);
    let report = load(
        &stage.fabric.clients[0],
        &format!("--target {target} --requests 10"),
    );
    assert_eq!(report.answers_of(&nginx.id), 10, "{report}");

    let problems = stage.viaduct.problems();
    for label in ["VIP_1=invalid-port::1234", "VIP_0=missing-port"] {
        let problem = problems.iter().find(|problem| problem.label == label);
        let problem = problem.unwrap_or_else(|| panic!("no {label} in {problems:?}"));
        assert_eq!(
            (problem.source.as_str(), problem.subject.as_str()),
            ("marathon", "/mixed")
        );
        assert!(!problem.reason.is_empty());
    }
    assert_eq!(problems.len(), 2, "{problems:?}");
    let table = stage.viaduct.cli(&["vips", "--problems"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.contains("/mixed") && table.contains("missing-port"),
        "{table}"
    );
    let services = stage
        .viaduct
        .services()
        .unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(services.len(), 1, "{services:?}");
}
