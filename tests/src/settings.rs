//! Viaduct's configuration in the scenarios: what all of them have in common, and changes to it.

use std::path::Path;

use toml::{Table, Value};

use crate::addressing::{Family, Subnet};
use crate::fabric::VIADUCT_NUMBER;
use crate::far::ROUTER;
use crate::two_arm;

/// Number of the source address towards backends in `nat` mode.
pub const NAT_NUMBER: u8 = 3;

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

    /// Both families on the first port, and a source address of each.
    #[must_use]
    pub fn dual_stack(self) -> Self {
        self.port(0, "address", both(Subnet::FABRIC, VIADUCT_NUMBER, true))
            .set("nat.addresses", both(Subnet::FABRIC, NAT_NUMBER, false))
    }

    /// The routers of [`crate::far`] as gateway of the first port, in these families.
    #[must_use]
    pub fn far_gateway(self, families: &[Family]) -> Self {
        let gateways = families
            .iter()
            .map(|&family| Subnet::FABRIC.at(family, ROUTER));
        let gateways: Vec<String> = gateways.map(|gateway| gateway.to_string()).collect();
        self.port(0, "gateway", gateways)
    }

    /// A second port, on the bridge of [`crate::two_arm`].
    ///
    /// # Panics
    /// Never: there is a first one.
    #[must_use]
    pub fn second_port(mut self) -> Self {
        let ports = self.ports();
        let mut port = ports[0].clone();
        let table = port.as_table_mut().expect("a port is a table");
        table.insert("name".into(), "second".into());
        table.insert("interface".into(), two_arm::TAP.into());
        table.insert("bridge".into(), two_arm::BRIDGE.into());
        table.insert(
            "address".into(),
            both(Subnet::SECOND, VIADUCT_NUMBER, true).into(),
        );
        ports.push(port);
        self
    }

    /// Sets a key of the port with this index.
    ///
    /// # Panics
    /// There is no such port: a mistake in the test.
    #[must_use]
    pub fn port(mut self, index: usize, key: &str, value: impl Into<Value>) -> Self {
        let port = self.ports()[index]
            .as_table_mut()
            .expect("a port is a table");
        port.insert(key.into(), value.into());
        self
    }

    fn ports(&mut self) -> &mut Vec<Value> {
        let ports = self.table.get_mut("ports").and_then(Value::as_array_mut);
        ports.expect("the base configuration has ports")
    }

    /// Another driver and interface for the first port; it joins no bridge.
    #[must_use]
    pub(crate) fn attached_by(self, driver: &str, interface: &str) -> Self {
        let settings = self.port(0, "driver", driver);
        settings.port(0, "interface", interface).without_bridge()
    }

    /// Leaves the kernel's side of the first port to the test: it joins no bridge.
    ///
    /// # Panics
    /// Never: there is a first one.
    #[must_use]
    pub fn without_bridge(mut self) -> Self {
        let port = self.ports()[0].as_table_mut();
        port.expect("a port is a table").remove("bridge");
        self
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

/// An address in each family, with or without its subnet's length.
fn both(subnet: Subnet, number: u8, with_length: bool) -> Vec<String> {
    let address = |family| {
        if with_length {
            subnet.interface(family, number)
        } else {
            subnet.at(family, number).to_string()
        }
    };
    Family::ALL.map(address).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_get_both_families_and_company() {
        let settings = Settings::default().dual_stack().second_port();
        let settings = settings.far_gateway(&Family::ALL);
        let table: Table = settings.text().parse().expect("TOML");
        let ports = table["ports"].as_array().expect("ports");
        assert_eq!(ports[0]["address"][1].as_str(), Some("fd00:99::2/64"));
        assert_eq!(ports[0]["gateway"][0].as_str(), Some("10.99.0.5"));
        assert_eq!(ports[1]["address"][0].as_str(), Some("10.99.1.2/24"));
        assert_eq!(ports[1]["interface"].as_str(), Some("dtap1"));
        assert_eq!(table["nat"]["addresses"][1].as_str(), Some("fd00:99::3"));
    }

    #[test]
    fn the_port_can_be_another() {
        let text = Settings::default().attached_by("af_xdp", "vdport").text();
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
