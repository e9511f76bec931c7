//! A scenario as Marathon 1.5 and later shows it: `/v2/info`, `/v2/apps`. Every app is in the
//! new shape (`networks`, `container.portMappings` or `portDefinitions`); the older ones are
//! not rendered. Field names and their presence follow Marathon's own examples.

use serde_json::{Map, Value, json};

use super::scenario::{App, HealthCheck, Network, Port, Scenario, Task};

/// The time that every rendered record carries; nothing may depend on it.
pub(crate) const VERSION: &str = "2017-07-19T17:34:41.967Z";

/// Agent ids of a pretended Mesos.
pub(crate) fn agent_id(host: &str) -> String {
    format!(
        "db7b40e2-791c-445f-b373-183e2a648a86-S{}",
        host.replace('.', "-")
    )
}

/// Body of `GET /v2/info`; `leader` is `host:port`.
#[must_use]
pub fn info(scenario: &Scenario, leader: &str) -> Value {
    json!({
        "name": "marathon",
        "version": "1.5.0",
        "buildref": "unknown",
        "elected": true,
        "leader": leader,
        "frameworkId": "96d7da70-b731-4cfb-96a7-0ee877af615d-0000",
        "marathon_config": {
            "framework_name": scenario.framework,
            "ha": true,
            "hostname": leader.rsplit_once(':').map_or(leader, |(host, _)| host),
            "master": "zk://localhost:2181/mesos",
            "mesos_bridge_name": "mesos-bridge",
            "default_network_name": "container-network",
            "features": [],
        },
        "zookeeper_config": { "zk": "zk://localhost:2181/marathon", "zk_timeout": 10000 },
        "http_config": { "http_port": 8080, "https_port": 8443 },
    })
}

/// Body of `GET /v2/apps`, with `tasks` in each app if `embed_tasks`.
#[must_use]
pub fn apps(scenario: &Scenario, embed_tasks: bool) -> Value {
    let apps: Vec<Value> = scenario
        .apps
        .iter()
        .map(|one| app(one, embed_tasks))
        .collect();
    json!({ "apps": apps })
}

fn app(app: &App, embed_tasks: bool) -> Value {
    let mut body = definition(app);
    body.extend(network(app));
    body.extend(counts(app));
    if embed_tasks {
        let tasks: Vec<Value> = app.tasks.iter().map(|one| task(app, one)).collect();
        body.insert("tasks".into(), Value::Array(tasks));
    }
    Value::Object(body)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => unreachable!("json! of braces is an object, not {other}"),
    }
}

fn definition(app: &App) -> Map<String, Value> {
    let checks: Vec<Value> = app.health_checks.iter().map(health_check).collect();
    object(json!({
        "id": app.id,
        "args": null,
        "backoffFactor": 1.15,
        "backoffSeconds": 1,
        "cmd": "nginx -g 'daemon off;'",
        "constraints": [],
        "cpus": 0.1,
        "dependencies": [],
        "deployments": [],
        "disk": 0,
        "env": { "SECRET1": { "secret": "secret0" } },
        "executor": "",
        "gpus": 0,
        "healthChecks": checks,
        "instances": app.tasks.len(),
        "killSelection": "YOUNGEST_FIRST",
        "labels": {},
        "maxLaunchDelaySeconds": 3600,
        "mem": 128,
        "requirePorts": false,
        "unreachableStrategy": { "inactiveAfterSeconds": 300, "expungeAfterSeconds": 600 },
        "upgradeStrategy": { "maximumOverCapacity": 1, "minimumHealthCapacity": 1 },
        "user": null,
        "version": VERSION,
        "versionInfo": { "lastScalingAt": VERSION, "lastConfigChangeAt": VERSION },
    }))
}

fn network(app: &App) -> Map<String, Value> {
    let ports: Vec<Value> = app
        .ports
        .iter()
        .enumerate()
        .map(|(i, p)| port(app, i, p))
        .collect();
    match app.network {
        Network::Host => object(json!({
            "networks": [{ "mode": "host" }],
            "portDefinitions": ports,
        })),
        Network::Bridge => object(json!({
            "networks": [{ "mode": "container/bridge" }],
            "container": container(&ports),
        })),
        Network::Container => object(json!({
            "networks": [{ "mode": "container",
                           "name": app.network_name.as_deref().unwrap_or("dcos") }],
            "container": container(&ports),
        })),
    }
}

fn container(port_mappings: &[Value]) -> Value {
    json!({
        "type": "DOCKER",
        "docker": {
            "forcePullImage": false,
            "image": "nginx:1.22",
            "parameters": [],
            "privileged": false,
        },
        "volumes": [],
        "portMappings": port_mappings,
    })
}

/// A port definition on the host network, else a port mapping. A mapping without `hostPort`
/// keeps none, except on a bridge, where Marathon answers 0.
fn port(app: &App, index: usize, port: &Port) -> Value {
    let mut body = object(json!({ "protocol": port.protocol, "labels": port.labels }));
    if let Some(name) = &port.name {
        body.insert("name".into(), json!(name));
    }
    if app.network == Network::Host {
        body.insert("port".into(), json!(port.port));
        return Value::Object(body);
    }
    body.insert("containerPort".into(), json!(port.port));
    body.insert("servicePort".into(), json!(10000 + index));
    let default = (app.network == Network::Bridge).then_some(0);
    if let Some(host_port) = port.host_port.or(default) {
        body.insert("hostPort".into(), json!(host_port));
    }
    Value::Object(body)
}

fn health_check(check: &HealthCheck) -> Value {
    let mut body = object(json!({
        "gracePeriodSeconds": 5,
        "intervalSeconds": 20,
        "maxConsecutiveFailures": 3,
        "portIndex": 0,
        "protocol": check.protocol,
        "timeoutSeconds": 20,
        "delaySeconds": 15,
    }));
    if let Some(path) = &check.path {
        body.insert("path".into(), json!(path));
    }
    Value::Object(body)
}

/// Marathon counts a task as healthy when every check has passed.
pub(crate) fn is_healthy(app: &App, task: &Task) -> Option<bool> {
    if app.health_checks.is_empty() || task.health.is_empty() {
        return None;
    }
    Some(task.health.len() == app.health_checks.len() && task.health.iter().all(|&alive| alive))
}

fn counts(app: &App) -> Map<String, Value> {
    let in_state = |state| app.tasks.iter().filter(|task| task.state == state).count();
    let health = |wanted| {
        app.tasks
            .iter()
            .filter(|t| is_healthy(app, t) == Some(wanted))
            .count()
    };
    object(json!({
        "tasksStaged": in_state("TASK_STAGING"),
        "tasksRunning": in_state("TASK_RUNNING"),
        "tasksHealthy": health(true),
        "tasksUnhealthy": health(false),
    }))
}

fn task(app: &App, task: &Task) -> Value {
    let mut body = object(json!({
        "id": task.id,
        "appId": app.id,
        "host": task.host,
        "slaveId": agent_id(&task.host),
        "state": task.state,
        "ports": task.ports,
        "ipAddresses": addresses(task),
        "stagedAt": VERSION,
        "startedAt": VERSION,
        "version": VERSION,
        "localVolumes": [],
    }));
    if !app.health_checks.is_empty() {
        let results: Vec<Value> = task
            .health
            .iter()
            .map(|&one| health_result(task, one))
            .collect();
        body.insert("healthCheckResults".into(), Value::Array(results));
    }
    Value::Object(body)
}

fn addresses(task: &Task) -> Vec<Value> {
    let protocol = |address: &str| {
        if address.contains(':') {
            "IPv6"
        } else {
            "IPv4"
        }
    };
    task.addresses
        .iter()
        .map(|address| json!({ "ipAddress": address, "protocol": protocol(address) }))
        .collect()
}

fn health_result(task: &Task, alive: bool) -> Value {
    json!({
        "alive": alive,
        "consecutiveFailures": u8::from(!alive) * 3,
        "firstSuccess": VERSION,
        "lastSuccess": VERSION,
        "lastFailure": if alive { Value::Null } else { json!(VERSION) },
        "lastFailureCause": if alive { Value::Null } else { json!("ConnectionRefused") },
        "instanceId": task.id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use super::*;

    fn scenario(network: Network) -> Scenario {
        let mut app = App::bridge("/web").vip("tcp", "/web:80").checked();
        app.network = network;
        app.ports[0].host_port = None;
        Scenario::of(vec![app.task(Ipv4Addr::new(10, 99, 0, 11), 31001)])
    }

    fn fixture(name: &str) -> Value {
        let path = format!("{}/fixtures/marathon/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Every key of Marathon's object that ours has too must hold the same kind of value.
    fn assert_same_kinds(genuine: &Value, ours: &Value, at: &str) {
        match (genuine, ours) {
            (Value::Object(genuine), Value::Object(ours)) => {
                for (key, value) in ours {
                    if let Some(other) = genuine.get(key) {
                        assert_same_kinds(other, value, &format!("{at}.{key}"));
                    }
                }
            }
            (Value::Array(genuine), Value::Array(ours)) => {
                if let (Some(genuine), Some(ours)) = (genuine.first(), ours.first()) {
                    assert_same_kinds(genuine, ours, at);
                }
            }
            (Value::Null, _) | (_, Value::Null) => {}
            _ => assert_eq!(kind(genuine), kind(ours), "{at}"),
        }
    }

    #[test]
    fn an_embedded_app_has_the_keys_of_a_genuine_one() {
        let genuine = fixture("v2-apps-embed-tasks-1.5.json");
        let ours = apps(&scenario(Network::Bridge), true);
        for key in genuine["apps"][0].as_object().unwrap().keys() {
            assert!(ours["apps"][0].get(key).is_some(), "an app lacks {key}");
        }
        for key in genuine["apps"][0]["tasks"][0].as_object().unwrap().keys() {
            assert!(
                ours["apps"][0]["tasks"][0].get(key).is_some(),
                "a task lacks {key}"
            );
        }
    }

    #[test]
    fn values_are_of_the_same_kinds_as_in_genuine_bodies() {
        let ours = apps(&scenario(Network::Bridge), true);
        for name in [
            "v2-apps-embed-tasks-1.5.json",
            "v2-apps-1.5-bridge-udp.json",
        ] {
            assert_same_kinds(&fixture(name), &ours, name);
        }
        let name = "v2-info.json";
        assert_same_kinds(
            &fixture(name),
            &info(&Scenario::default(), "localhost:8080"),
            name,
        );
    }

    #[test]
    fn tasks_only_come_when_they_are_asked_for() {
        let body = apps(&scenario(Network::Bridge), false);
        assert!(body["apps"][0].get("tasks").is_none());
        assert_eq!(body["apps"][0]["tasksRunning"], 1);
    }

    #[test]
    fn host_network_has_port_definitions_and_no_container() {
        let body = &apps(&scenario(Network::Host), true)["apps"][0];
        assert_eq!(body["portDefinitions"][0]["labels"]["VIP_0"], "/web:80");
        assert_eq!(body["networks"][0]["mode"], "host");
        assert!(body.get("container").is_none());
    }

    #[test]
    fn a_host_port_is_implied_only_on_a_bridge() {
        let mapping = |network| {
            apps(&scenario(network), true)["apps"][0]["container"]["portMappings"][0].clone()
        };
        assert_eq!(mapping(Network::Bridge)["hostPort"], 0);
        assert!(mapping(Network::Container).get("hostPort").is_none());
    }

    #[test]
    fn health_needs_every_check() {
        let mut scenario = scenario(Network::Bridge);
        let app = &mut scenario.apps[0];
        assert_eq!(is_healthy(app, &app.tasks[0]), Some(true));
        app.health_checks.push(HealthCheck {
            protocol: "TCP".into(),
            path: None,
        });
        assert_eq!(is_healthy(app, &app.tasks[0]), Some(false));
        app.tasks[0].health.clear();
        assert_eq!(is_healthy(app, &app.tasks[0]), None);
    }
}
