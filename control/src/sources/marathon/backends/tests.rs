//! Real answers of Marathon, and what must become of them.

use serde_json::json;

use super::*;

/// The apps of a fixture, whether it is a list, a wrapped app or a bare one.
fn fixture(text: &str) -> Vec<Value> {
    let body: Value = serde_json::from_str(text).expect("the fixture is valid JSON");
    match (body.get("apps"), body.get("app")) {
        (Some(apps), _) => apps.as_array().expect("a list").clone(),
        (None, Some(app)) => vec![app.clone()],
        (None, None) => vec![body],
    }
}

macro_rules! fixture {
    ($name:literal) => {
        fixture(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/marathon/",
            $name
        )))
    };
}

fn snapshot(apps: &[Value]) -> Snapshot {
    let hosts = Hosts::from([("srv.example.com".to_owned(), IpAddr::from([10, 0, 0, 9]))]);
    Apps::read(apps, "marathon").snapshot(&hosts, &Healthy::new())
}

/// One line for each service: `key = backend*weight …`.
fn lines(snapshot: &Snapshot) -> Vec<String> {
    let line = |(key, service): (&ServiceKey, &Service)| {
        let all = service
            .backends
            .iter()
            .map(|(socket, backend)| format!(" {socket}*{}", backend.weight));
        format!("{key} ={}", all.collect::<String>())
    };
    snapshot.services.iter().map(line).collect()
}

fn label(value: &str) -> Value {
    json!({"VIP_0": value})
}

#[test]
fn an_app_without_tasks_still_has_its_service() {
    let read = snapshot(&fixture!("v2-app.json"));
    assert_eq!(lines(&read), ["192.168.0.1:80/tcp ="]);
    assert_eq!(read.problems, []);
}

#[test]
fn the_oldest_form_of_a_vip_is_read() {
    let mut apps = fixture!("app-vip-port0-tasklabel.json");
    assert_eq!(lines(&snapshot(&apps)), ["1.2.3.4:5000/tcp ="]);
    apps[0]["tasks"] = json!([{
        "id": "t", "host": "10.0.0.1", "ports": [31000], "startedAt": "x",
        "healthCheckResults": [{"alive": true}]
    }]);
    assert_eq!(
        lines(&snapshot(&apps)),
        ["1.2.3.4:5000/tcp = 10.0.0.1:31000*1"]
    );
}

#[test]
fn apps_without_vip_labels_are_no_services() {
    let all = [
        fixture!("v2-apps-embed-tasks-legacy-bridge.json"),
        fixture!("v2-apps-embed-tasks-1.5.json"),
        fixture!("v2-apps-1.5-bridge-udp.json"),
        fixture!("v2-app-with-tasks.json"),
        fixture!("app-ucr-ip-per-container.json"),
    ];
    for apps in all {
        assert_eq!(snapshot(&apps), Snapshot::default());
    }
}

#[test]
fn a_legacy_bridge_is_reached_at_the_agents() {
    let mut apps = fixture!("v2-apps-embed-tasks-legacy-bridge.json");
    for app in &mut apps {
        app["container"]["docker"]["portMappings"][0]["labels"] = label("/nginx:80");
    }
    let read = snapshot(&apps);
    assert_eq!(
        lines(&read),
        [
            "nginx.marathon:80/tcp = 10.0.1.147:25724*1 10.0.6.25:16916*1 10.0.6.25:23336*1 10.0.6.25:31184*1"
        ]
    );
    let origins: Vec<&str> = read
        .services
        .values()
        .flat_map(|service| &service.backends)
        .map(|(_, b)| b.origin.as_str())
        .collect();
    assert_eq!(
        origins[0],
        "nginx-blue.3a58a46a-c937-11e5-9836-026ee08d9f6f"
    );
}

#[test]
fn a_bridge_since_1_5_is_reached_at_the_agent() {
    let mut apps = fixture!("v2-apps-embed-tasks-1.5.json");
    apps[0]["container"]["portMappings"][0]["labels"] = label("192.0.2.1:80");
    assert_eq!(
        lines(&snapshot(&apps)),
        ["192.0.2.1:80/tcp = 10.0.2.148:1565*1"]
    );
}

#[test]
fn every_protocol_of_a_port_is_a_service() {
    let mut apps = fixture!("v2-apps-1.5-bridge-udp.json");
    apps[0]["container"]["portMappings"][1]["labels"] = label("/snmp:161");
    apps[0]["tasks"] = json!([{
        "id": "t", "state": "TASK_RUNNING", "host": "10.0.0.1", "ports": [31000, 31001],
        "healthCheckResults": [{"alive": true}]
    }]);
    assert_eq!(
        lines(&snapshot(&apps)),
        ["snmp.marathon:161/udp = 10.0.0.1:31001*1"]
    );
}

#[test]
fn tasks_of_a_single_app_are_read() {
    let mut apps = fixture!("v2-app-with-tasks.json");
    apps[0]["container"]["portMappings"][0]["labels"] = label("/fake-app:80");
    assert_eq!(
        lines(&snapshot(&apps)),
        ["fake-app.marathon:80/tcp = 10.141.141.10:31045*1 10.141.141.10:31234*1"]
    );
}

#[test]
fn a_task_on_a_container_network_is_reached_at_all_its_addresses() {
    let mut apps = fixture!("app-ucr-ip-per-container.json");
    apps[0]["container"]["portMappings"] =
        json!([{"containerPort": 10, "labels": label("/net:80")}]);
    apps[0]["tasks"] = json!([{
        "id": "t", "state": "TASK_RUNNING", "host": "10.0.0.1", "ports": [],
        "ipAddresses": [{"ipAddress": "9.0.2.130", "protocol": "IPv4"}, {"ipAddress": "fd01:b::2"}]
    }]);
    assert_eq!(
        lines(&snapshot(&apps)),
        ["net.marathon:80/tcp = 9.0.2.130:10*1 [fd01:b::2]:10*1"]
    );
}

#[test]
fn a_container_with_a_host_port_is_reached_at_the_agent() {
    let mappings = json!([
        {"containerPort": 10}, {"containerPort": 11, "hostPort": 0, "labels": label("/net:80")}
    ]);
    let task = json!({
        "state": "TASK_RUNNING", "host": "srv.example.com", "ports": [31005],
        "ipAddresses": [{"ipAddress": "9.0.2.130"}]
    });
    let app = json!({"networks": [{"mode": "container"}], "container": {"portMappings": mappings}, "tasks": [task]});
    assert_eq!(
        lines(&snapshot(&[app])),
        ["net.marathon:80/tcp = 10.0.0.9:31005*1"]
    );
}

#[test]
fn announced_ports_of_a_legacy_address_per_task_are_read() {
    let app = json!({
        "ipAddress": {"discovery": {"ports": [{"number": 8080, "protocol": "udp", "labels": label("/d:1")}]}},
        "tasks": [{"state": "TASK_RUNNING", "ipAddresses": [{"ipAddress": "9.0.0.1"}]}]
    });
    assert_eq!(
        lines(&snapshot(&[app])),
        ["d.marathon:1/udp = 9.0.0.1:8080*1"]
    );
}

fn host_app(id: &str, vip: &str, tasks: &Value) -> Value {
    json!({"id": id, "portDefinitions": [{"labels": label(vip)}], "tasks": tasks})
}

fn task(id: &str, state: &str, port: u16) -> Value {
    json!({"id": id, "state": state, "host": "10.0.0.1", "ports": [port]})
}

#[test]
fn apps_with_the_same_vip_share_it_and_a_slash_makes_no_other() {
    let one = host_app(
        "/a",
        "/shared:80",
        &json!([task("a", "TASK_RUNNING", 1000)]),
    );
    let two = host_app("/b", "shared:80", &json!([task("b", "TASK_KILLING", 1001)]));
    assert_eq!(
        lines(&snapshot(&[one, two])),
        ["shared.marathon:80/tcp = 10.0.0.1:1000*1 10.0.0.1:1001*0"]
    );
}

#[test]
fn two_tasks_at_one_address_are_one_backend_of_the_greater_weight() {
    let tasks = [
        task("old", "TASK_KILLING", 1000),
        task("new", "TASK_RUNNING", 1000),
    ];
    let forward = snapshot(&[host_app("/a", "/a:80", &json!(tasks))]);
    let backward = snapshot(&[host_app("/a", "/a:80", &json!([tasks[1], tasks[0]]))]);
    assert_eq!(forward, backward);
    let (_, backend) = forward
        .services
        .values()
        .flat_map(|service| &service.backends)
        .next()
        .expect("a backend");
    assert_eq!((backend.origin.as_str(), backend.weight), ("new", 1));
}

#[test]
fn what_a_running_task_lacks_is_one_problem_for_all_of_them() {
    let tasks = json!([
        {"state": "TASK_RUNNING", "host": "10.0.0.1", "ports": []},
        {"state": "TASK_RUNNING", "host": "10.0.0.2", "ports": null},
        {"state": "TASK_RUNNING", "host": "gone.example.com", "ports": [1]},
        {"state": "TASK_STAGING", "host": "", "ports": []}
    ]);
    let read = snapshot(&[host_app("/a", "/a:80", &tasks)]);
    assert_eq!(lines(&read), ["a.marathon:80/tcp ="]);
    let reasons: Vec<&str> = read.problems.iter().map(|p| p.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0].contains("no host port with index 0"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("gone.example.com"), "{reasons:?}");
}

#[test]
fn one_bad_app_never_loses_the_others() {
    let good = host_app("/a", "/a:80", &json!([task("a", "TASK_RUNNING", 1000)]));
    let read = snapshot(&[json!(null), json!([]), good, json!({"id": {}, "tasks": 3})]);
    assert_eq!(lines(&read), ["a.marathon:80/tcp = 10.0.0.1:1000*1"]);
    assert_eq!(read.problems.len(), 2);
    assert_eq!(read.problems[0].subject, "apps[0]");
}

#[test]
fn only_the_agents_of_apps_with_vips_are_looked_up() {
    let named = json!([{"host": "srv.example.com"}, {"host": "10.0.0.1"}, {"host": ""}]);
    let plain = json!({"id": "/b", "tasks": [{"host": "other.example.com"}]});
    let apps = Apps::read(&[host_app("/a", "/a:80", &named), plain], "marathon");
    assert_eq!(
        apps.host_names(),
        BTreeSet::from(["srv.example.com".to_owned()])
    );
}

#[test]
fn tasks_found_healthy_stay_so_when_their_results_vanish() {
    let results = json!([{"alive": true}]);
    let with = |results: &Value| {
        let mut task = task("t", "TASK_RUNNING", 1000);
        task["healthCheckResults"] = results.clone();
        let mut app = host_app("/a", "/a:80", &json!([task]));
        app["healthChecks"] = json!([{}]);
        Apps::read(&[app], "marathon")
    };
    let healthy = with(&results).healthy(&Healthy::new());
    let after = with(&json!([]));
    assert_eq!(after.healthy(&healthy), healthy);
    assert_eq!(
        lines(&after.snapshot(&Hosts::new(), &healthy)),
        ["a.marathon:80/tcp = 10.0.0.1:1000*1"]
    );
}
