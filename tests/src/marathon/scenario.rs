//! A scenario: what a pretended Marathon runs, as a person writes it in TOML. Plain values
//! with builders for tests. It knows nothing of Marathon's JSON (see [`super::render`]) and
//! does not check that the tasks exist anywhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Everything that the pretended Marathon runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The framework's name, as `/v2/info` gives it and VIP names end.
    #[serde(default = "default_framework")]
    pub framework: String,
    /// The apps in the order in which they are listed.
    #[serde(default)]
    pub apps: Vec<App>,
}

/// One app and its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Absolute id, e.g. `/shop/api`.
    pub id: String,
    /// How its tasks are attached.
    #[serde(default)]
    pub network: Network,
    /// Name of the container network; only with [`Network::Container`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// Port definitions (host network) or port mappings (others).
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Health checks, each with one result per task.
    #[serde(default)]
    pub health_checks: Vec<HealthCheck>,
    /// The tasks in the order in which they are listed.
    #[serde(default)]
    pub tasks: Vec<Task>,
}

/// Marathon's `networks[].mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The agent's own network: the task listens on the agent's address.
    #[serde(rename = "host")]
    Host,
    /// A bridge on the agent: host ports are mapped to container ports.
    #[default]
    #[serde(rename = "container/bridge")]
    Bridge,
    /// A network with an address for each container.
    #[serde(rename = "container")]
    Container,
}

/// One port of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Port inside the container, or the definition's port on the host network.
    pub port: u16,
    /// `hostPort` of a mapping; 0 is "allocate one". Left out of the JSON when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// `tcp`, `udp` or `udp,tcp`.
    #[serde(default = "default_protocol")]
    pub protocol: String,
    /// Name of the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels, among them `VIP_0`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One health check of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// `HTTP`, `TCP`, `MESOS_HTTP`, …
    pub protocol: String,
    /// Path of HTTP checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One task of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Task id; stable and unique.
    pub id: String,
    /// The agent's address or name.
    pub host: String,
    /// Allocated host ports, in the order of the ports that have one.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Mesos's state.
    #[serde(default = "default_state")]
    pub state: String,
    /// Results of the health checks in their order; a missing one has not run yet.
    #[serde(default)]
    pub health: Vec<bool>,
    /// Addresses of the container.
    #[serde(default)]
    pub addresses: Vec<String>,
}

fn default_framework() -> String {
    "marathon".into()
}

fn default_protocol() -> String {
    "tcp".into()
}

fn default_state() -> String {
    "TASK_RUNNING".into()
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            framework: default_framework(),
            apps: Vec::new(),
        }
    }
}

impl Scenario {
    /// A scenario of framework `marathon` with these apps.
    #[must_use]
    pub fn of(apps: Vec<App>) -> Self {
        Self {
            apps,
            ..Self::default()
        }
    }

    /// Reads a scenario from TOML text.
    ///
    /// # Errors
    /// The text is not TOML, or has unknown or missing keys.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("the scenario is not understood")
    }

    /// Replaces the file at `path` in one step, so that a reader sees the old or the new text.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("a scenario is TOML")?;
        let folder = path.parent().context("the scenario file needs a folder")?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)
            .with_context(|| format!("cannot replace {}", path.display()))?;
        Ok(())
    }

    /// The app with this id.
    ///
    /// # Panics
    /// There is none: a mistake in the test.
    pub fn app(&mut self, id: &str) -> &mut App {
        self.apps
            .iter_mut()
            .find(|app| app.id == id)
            .unwrap_or_else(|| panic!("the scenario has no app {id}"))
    }
}

impl App {
    /// An app on a bridge network, without ports or tasks.
    #[must_use]
    pub fn bridge(id: &str) -> Self {
        Self {
            id: id.into(),
            network: Network::Bridge,
            network_name: None,
            ports: Vec::new(),
            health_checks: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// Adds a port with a label `VIP_0` of this value.
    #[must_use]
    pub fn vip(self, protocol: &str, label: &str) -> Self {
        self.port(protocol, &[("VIP_0", label)])
    }

    /// Adds a port with these labels.
    #[must_use]
    pub fn port(mut self, protocol: &str, labels: &[(&str, &str)]) -> Self {
        self.ports.push(Port {
            port: 80,
            host_port: Some(0),
            protocol: protocol.into(),
            name: None,
            labels: labels
                .iter()
                .map(|&(key, value)| (key.into(), value.into()))
                .collect(),
        });
        self
    }

    /// Adds an HTTP health check of `/`.
    #[must_use]
    pub fn checked(mut self) -> Self {
        self.health_checks.push(HealthCheck {
            protocol: "HTTP".into(),
            path: Some("/".into()),
        });
        self
    }

    /// Adds a running task that passes every health check, with one host port for each port.
    #[must_use]
    pub fn task(mut self, host: Ipv4Addr, port: u16) -> Self {
        self.add_task(host, port);
        self
    }

    /// Adds a running task that passes every health check, with one host port for each port.
    pub fn add_task(&mut self, host: Ipv4Addr, port: u16) {
        let name: String = self.id.trim_matches('/').replace('/', "_");
        let [.., last] = host.octets();
        self.tasks.push(Task {
            id: format!("{name}.instance-{last}-{port}"),
            host: host.to_string(),
            ports: (port..).take(self.ports.len()).collect(),
            state: default_state(),
            health: vec![true; self.health_checks.len()],
            addresses: vec![format!("172.17.0.{last}")],
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_short_scenario_gets_marathons_defaults() {
        let scenario = Scenario::parse(
            "[[apps]]\nid = '/web'\n[[apps.ports]]\nport = 80\nlabels = { VIP_0 = '/web:80' }\n\
             [[apps.tasks]]\nid = 'web.1'\nhost = '10.99.0.11'\nports = [31001]\n",
        )
        .unwrap();
        let app = &scenario.apps[0];
        assert_eq!(scenario.framework, "marathon");
        assert_eq!(app.network, Network::Bridge);
        assert_eq!(app.ports[0].protocol, "tcp");
        assert_eq!(app.ports[0].labels["VIP_0"], "/web:80");
        assert_eq!(app.tasks[0].state, "TASK_RUNNING");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(Scenario::parse("[[apps]]\nid = '/web'\ntask = []\n").is_err());
    }

    #[test]
    fn what_is_saved_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        let app = App::bridge("/a/b").vip("udp,tcp", "/a/b:53").checked();
        let scenario = Scenario::of(vec![app.task(Ipv4Addr::new(10, 99, 0, 11), 31001)]);
        scenario.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Scenario::parse(&text).unwrap(), scenario);
        assert_eq!(scenario.apps[0].tasks[0].id, "a_b.instance-11-31001");
    }
}
