//! The services file of the scenarios: entries by builder, written in one piece.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::fabric::Fabric;

/// One `[[service]]`.
#[derive(Clone, Debug)]
pub struct Entry {
    table: Table,
}

impl Entry {
    /// A service at an address, for `tcp`, `udp` or `udp,tcp`.
    #[must_use]
    pub fn new(address: IpAddr, port: u16, protocol: &str) -> Self {
        let entry = Self {
            table: Table::new(),
        };
        entry
            .set("address", address.to_string())
            .set("port", i64::from(port))
            .set("protocol", protocol)
            .set("backends", Vec::<Value>::new())
    }

    /// With a backend.
    #[must_use]
    pub fn backend(self, address: IpAddr, port: u16) -> Self {
        let backend = SocketAddr::from((address, port)).to_string();
        self.push(backend.into())
    }

    /// With a backend that takes no new flows.
    #[must_use]
    pub fn draining(self, address: IpAddr, port: u16) -> Self {
        let mut backend = Table::new();
        let at = SocketAddr::from((address, port)).to_string();
        backend.insert("address".into(), at.into());
        backend.insert("weight".into(), 0.into());
        self.push(backend.into())
    }

    /// With this backend and no other.
    #[must_use]
    pub fn only(self, address: IpAddr, port: u16) -> Self {
        self.set("backends", Vec::<Value>::new())
            .backend(address, port)
    }

    /// With another key, such as `mode` or `no_backend`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.table.insert(key.into(), value.into());
        self
    }

    /// With an idle timeout, such as `tcp_established`.
    #[must_use]
    pub fn timeout(mut self, key: &str, value: &str) -> Self {
        let timeouts = self
            .table
            .entry("timeouts")
            .or_insert_with(|| Table::new().into());
        let timeouts = timeouts.as_table_mut().expect("only this function sets it");
        timeouts.insert(key.into(), value.into());
        self
    }

    fn push(mut self, backend: Value) -> Self {
        let backends = self.table.get_mut("backends").and_then(Value::as_array_mut);
        backends.expect("an entry begins with a list").push(backend);
        self
    }
}

/// The services file of one scenario.
#[derive(Debug)]
pub struct Services {
    path: PathBuf,
}

impl Services {
    /// Writes the file into the fabric's scratch folder.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn write(fabric: &Fabric, entries: &[Entry]) -> Self {
        let path = fabric.scratch().join("services.toml");
        let services = Self { path };
        services.replace(entries);
        services
    }

    /// Puts other entries in their place; a reader sees all of them or none.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn replace(&self, entries: &[Entry]) {
        let draft = self.path.with_extension("new");
        std::fs::write(&draft, text(entries)).expect("the scratch folder is writable");
        std::fs::rename(&draft, &self.path).expect("the scratch folder is writable");
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn text(entries: &[Entry]) -> String {
    let entries: Vec<Value> = entries.iter().map(|e| e.table.clone().into()).collect();
    let mut document = Table::new();
    document.insert("service".into(), entries.into());
    toml::to_string(&document).expect("a table is TOML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addressing::{Family, Subnet, vip};

    #[test]
    fn entries_read_back_as_they_were_meant() {
        let agent = |n| Subnet::FABRIC.at(Family::V6, n);
        let entry = Entry::new(vip(Family::V6), 80, "tcp")
            .backend(agent(11), 8080)
            .draining(agent(12), 8080)
            .set("mode", "gue")
            .timeout("tcp_established", "3s");
        let document: Table = text(&[entry]).parse().expect("TOML");
        let service = &document["service"][0];
        assert_eq!(service["address"].as_str(), Some("2001:db8::10"));
        assert_eq!(service["backends"][0].as_str(), Some("[fd00:99::11]:8080"));
        assert_eq!(service["backends"][1]["weight"].as_integer(), Some(0));
        assert_eq!(service["timeouts"]["tcp_established"].as_str(), Some("3s"));
    }

    #[test]
    fn no_entries_are_a_list_too() {
        assert_eq!(text(&[]).trim(), "service = []");
    }
}
