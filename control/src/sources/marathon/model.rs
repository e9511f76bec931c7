//! Apps and tasks as Marathon's `/v2/apps?embed=apps.tasks` answers them, read permissively.
//!
//! Marathon has answered in several shapes over the years, and bodies with nulls, missing
//! fields and nonsense are seen in the field. A field that cannot be read is as if it were
//! absent; an element of a list that cannot be read still keeps its place, because ports are
//! matched by position. Only an app that is no JSON object is skipped, and reported.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Labels by key. A value that is no text is here as its JSON text.
pub(super) type Labels = BTreeMap<String, String>;

/// An application and, if asked for, its tasks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct App {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: String,
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
    #[serde(deserialize_with = "list")]
    pub(super) networks: Vec<Network>,
    #[serde(deserialize_with = "lenient")]
    pub(super) container: Container,
    #[serde(deserialize_with = "list")]
    pub(super) port_definitions: Vec<PortDefinition>,
    /// Before Marathon 1.5: an address per task.
    #[serde(deserialize_with = "lenient")]
    pub(super) ip_address: Option<IpPerTask>,
    #[serde(deserialize_with = "list")]
    pub(super) health_checks: Vec<Value>,
    #[serde(deserialize_with = "list")]
    pub(super) tasks: Vec<Task>,
}

/// One of an app's networks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Network {
    /// `host`, `container/bridge` or `container`.
    #[serde(deserialize_with = "lenient")]
    pub(super) mode: Option<String>,
}

/// An app's container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    #[serde(deserialize_with = "list")]
    pub(super) port_mappings: Vec<PortMapping>,
    #[serde(deserialize_with = "lenient")]
    pub(super) docker: Docker,
}

/// Where networking was written before Marathon 1.5.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Docker {
    /// `BRIDGE`, `USER`, `HOST` or `NONE`.
    #[serde(deserialize_with = "lenient")]
    pub(super) network: Option<String>,
    #[serde(deserialize_with = "list")]
    pub(super) port_mappings: Vec<PortMapping>,
}

/// A port of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PortMapping {
    #[serde(deserialize_with = "lenient")]
    pub(super) container_port: Option<u16>,
    /// Null if the container's port is not on the host; 0 if the host's port is allocated.
    pub(super) host_port: Value,
    #[serde(deserialize_with = "lenient")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
}

/// A port of an app in the host's network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PortDefinition {
    #[serde(deserialize_with = "lenient")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
}

/// Before Marathon 1.5: tasks with addresses of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IpPerTask {
    #[serde(deserialize_with = "lenient")]
    pub(super) discovery: Discovery,
}

/// The ports that such tasks announce.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Discovery {
    #[serde(deserialize_with = "list")]
    pub(super) ports: Vec<DiscoveryPort>,
}

/// One port that such tasks announce.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DiscoveryPort {
    #[serde(deserialize_with = "lenient")]
    pub(super) number: Option<u16>,
    #[serde(deserialize_with = "lenient")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
}

/// One task of an app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Task {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: String,
    /// The agent: a name or an address.
    #[serde(deserialize_with = "lenient")]
    pub(super) host: String,
    /// Absent from old versions of Marathon.
    #[serde(deserialize_with = "lenient")]
    pub(super) state: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) started_at: Option<String>,
    /// Host ports only, in the order of the mappings that have one.
    #[serde(deserialize_with = "list")]
    pub(super) ports: Vec<Option<u16>>,
    #[serde(deserialize_with = "list")]
    pub(super) ip_addresses: Vec<TaskAddress>,
    #[serde(deserialize_with = "list")]
    pub(super) health_check_results: Vec<HealthCheckResult>,
}

/// An address of a task's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskAddress {
    #[serde(deserialize_with = "lenient")]
    pub(super) ip_address: Option<IpAddr>,
}

/// What one health check last said of a task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HealthCheckResult {
    #[serde(deserialize_with = "lenient")]
    pub(super) alive: Option<bool>,
}

/// Reads one app. `None` if it is no JSON object.
pub(super) fn app(value: &Value) -> Option<App> {
    value
        .is_object()
        .then(|| App::deserialize(value).ok())
        .flatten()
}

/// Reads a value, or gives its default where it cannot be read.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).unwrap_or_default())
}

/// Reads a list, with the default in the place of every element that cannot be read; what is
/// no list is an empty one.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let Value::Array(values) = Value::deserialize(from)? else {
        return Ok(Vec::new());
    };
    Ok(values
        .into_iter()
        .map(|value| serde_json::from_value(value).unwrap_or_default())
        .collect())
}

/// Reads labels; what is no map is an empty one.
fn labels<'de, D: Deserializer<'de>>(from: D) -> Result<Labels, D::Error> {
    let Value::Object(map) = Value::deserialize(from)? else {
        return Ok(Labels::new());
    };
    Ok(map
        .into_iter()
        .map(|(key, value)| (key, text(value)))
        .collect())
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_absent() {
        let odd = json!({
            "id": 7, "labels": [], "networks": "host", "container": null, "portDefinitions": {},
            "ipAddress": null, "healthChecks": null,
            "tasks": [{"id": null, "ports": "none", "ipAddresses": [{"ipAddress": ""}, 3], "state": 1}]
        });
        let app = app(&odd).expect("an object");
        assert_eq!(
            (app.id.as_str(), app.networks.len(), app.health_checks.len()),
            ("", 0, 0)
        );
        assert!(app.ip_address.is_none());
        assert_eq!(app.tasks[0].ip_addresses.len(), 2);
        assert_eq!(app.tasks[0].state, None);
    }

    #[test]
    fn lists_keep_positions() {
        let odd = json!({"portDefinitions": [null, {"labels": {"VIP_0": 80}}], "tasks": [null, {"ports": [null, 80, 70000]}]});
        let app = app(&odd).expect("an object");
        assert_eq!(app.port_definitions[1].labels["VIP_0"], "80");
        assert_eq!(app.tasks[1].ports, [None, Some(80), None]);
    }

    #[test]
    fn an_app_must_be_an_object() {
        assert!(app(&json!(["/a"])).is_none());
        assert!(app(&json!({})).is_some());
    }
}
