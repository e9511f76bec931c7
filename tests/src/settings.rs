//! Viaduct's configuration in the scenarios: what all of them have in common, and changes to it.

use std::path::Path;

use toml::{Table, Value};

const BASE: &str = r#"
[workers]
cores = [1]
idle = "sleep"
idle_max_sleep = "200us"
flows = 65536

[control]
core = 0

[memory]
hugepages = "never"
size = "256 MiB"
mbufs = 16384

[[ports]]
name = "fabric"
driver = "tap"
interface = "dtap0"
bridge = "br0"
address = "10.99.0.2/24"
mtu = 1500

[nat]
addresses = ["10.99.0.3"]
ports = "1024-65535"

[vips]
pool = "11.0.0.0-11.255.255.255"
zone = "l4lb.thisdcos.directory"

[dns]
listen = ["10.99.0.1:53"]

[api]
http = "127.0.0.1:9100"

[log]
level = "debug"
"#;

/// A configuration of Viaduct: what every scenario has in common, and changes to it.
#[derive(Clone, Debug)]
pub struct Settings {
    table: Table,
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            table: BASE.parse().expect("the base configuration is TOML"),
        };
        if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
            settings = settings.cores(&[0]);
        }
        settings
    }
}

impl Settings {
    /// Takes services from Marathon at this URL.
    #[must_use]
    pub fn marathon(self, url: &str) -> Self {
        self.set("sources.marathon.urls", vec![url])
    }

    /// Takes services from this file.
    #[must_use]
    pub fn file(self, path: &Path) -> Self {
        self.set("sources.file.path", path.display().to_string())
            .set("sources.file.poll", "100ms")
    }

    /// One worker on each of these CPUs.
    #[must_use]
    pub fn cores(self, cores: &[i64]) -> Self {
        self.set("workers.cores", cores.to_vec())
    }

    /// Another driver and interface for the port; it joins no bridge.
    #[must_use]
    pub(crate) fn driver(self, driver: &str, interface: &str) -> Self {
        let mut settings = self.without_bridge();
        let port = settings.first_port();
        port.insert("driver".into(), driver.into());
        port.insert("interface".into(), interface.into());
        settings
    }

    /// Leaves the kernel's side of the port to the test: it joins no bridge.
    #[must_use]
    pub fn without_bridge(mut self) -> Self {
        self.first_port().remove("bridge");
        self
    }

    /// Gives the port this address, MTU and gateway.
    #[must_use]
    pub fn port(mut self, address: &str, mtu: i64, gateway: &str) -> Self {
        let port = self.first_port();
        port.insert("address".into(), address.into());
        port.insert("mtu".into(), mtu.into());
        port.insert("gateway".into(), gateway.into());
        self
    }

    fn first_port(&mut self) -> &mut Table {
        let ports = self.table.get_mut("ports").and_then(Value::as_array_mut);
        let port = ports.and_then(|ports| ports.first_mut()?.as_table_mut());
        port.expect("the base has a port, and nothing takes it away")
    }

    /// Sets a key, e.g. `sources.marathon.timeout`.
    ///
    /// # Panics
    /// A part of the path exists and is not a table: a mistake in the test.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (parents, key) = path.rsplit_once('.').expect("a key is in a table");
        let mut table = &mut self.table;
        for parent in parents.split('.') {
            let entry = table
                .entry(parent)
                .or_insert_with(|| Value::Table(Table::new()));
            table = entry
                .as_table_mut()
                .unwrap_or_else(|| panic!("{parent} is not a table"));
        }
        table.insert(key.into(), value.into());
        self
    }

    /// The configuration file.
    ///
    /// # Panics
    /// Never: a table is TOML.
    #[must_use]
    pub fn text(&self) -> String {
        toml::to_string(&self.table).expect("a table is TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_can_be_another() {
        let text = Settings::default().driver("af_xdp", "vdport").text();
        let table: Table = text.parse().expect("TOML");
        let port = &table["ports"][0];
        assert_eq!(port["driver"].as_str(), Some("af_xdp"));
        assert_eq!(port["interface"].as_str(), Some("vdport"));
        assert!(port.get("bridge").is_none() && port.get("address").is_some());
    }

    #[test]
    fn settings_reach_into_tables_that_do_not_exist_yet() {
        let settings = Settings::default()
            .marathon("http://10.99.0.1:8080")
            .set("sources.marathon.timeout", "2s")
            .cores(&[0, 1]);
        let table: Table = settings.text().parse().expect("TOML");
        assert_eq!(table["sources"]["marathon"]["timeout"].as_str(), Some("2s"));
        assert_eq!(
            table["sources"]["marathon"]["urls"][0].as_str(),
            Some("http://10.99.0.1:8080")
        );
        assert_eq!(table["workers"]["cores"].as_array().map(Vec::len), Some(2));
        assert_eq!(table["ports"][0]["interface"].as_str(), Some("dtap0"));
    }
}
