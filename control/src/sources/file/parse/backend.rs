//! One backend of an entry of the services file.

use std::fmt;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::desired::{Backend, Backends};

/// One backend: `"address:port"`, or a table with a weight.
pub(super) struct BackendEntry {
    address: String,
    weight: i64,
}

/// Why a backend is skipped.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackendError {
    #[error(
        "{text:?} is no backend; write \"address:port\", such as \"10.0.0.11:8080\" or \"[fd00::11]:8080\""
    )]
    Syntax { text: String },
    #[error("{address} cannot be a backend: its address or port cannot be sent to")]
    Unusable { address: SocketAddr },
    #[error("the weight {weight} is out of range; write a number from 0 (draining) to 65535")]
    Weight { weight: i64 },
    #[error("{address} is a backend of this service already; leave one of them out")]
    Duplicate { address: SocketAddr },
}

impl BackendEntry {
    /// Adds the backend to those of its service.
    pub(super) fn add_to(&self, backends: &mut Backends, origin: &str) -> Result<(), BackendError> {
        let text = &self.address;
        let address: SocketAddr = text
            .parse()
            .map_err(|_| BackendError::Syntax { text: text.clone() })?;
        let ip = address.ip();
        if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
            return Err(BackendError::Unusable { address });
        }
        let weight = u16::try_from(self.weight).map_err(|_| BackendError::Weight {
            weight: self.weight,
        })?;
        if backends.contains_key(&address) {
            return Err(BackendError::Duplicate { address });
        }
        backends.insert(
            address,
            Backend {
                weight,
                origin: origin.to_owned(),
            },
        );
        Ok(())
    }
}

/// The table form of a backend.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendTable {
    address: String,
    #[serde(default = "one")]
    weight: i64,
}

fn one() -> i64 {
    1
}

impl<'de> Deserialize<'de> for BackendEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BackendVisitor)
    }
}

/// Reads either form. An untagged enum would hide which key of the table is wrong.
struct BackendVisitor;

impl<'de> Visitor<'de> for BackendVisitor {
    type Value = BackendEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"address:port\" or { address = \"address:port\", weight = 1 }")
    }

    fn visit_str<E: Error>(self, address: &str) -> Result<BackendEntry, E> {
        Ok(BackendEntry {
            address: address.to_owned(),
            weight: one(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BackendEntry, A::Error> {
        let BackendTable { address, weight } =
            BackendTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(BackendEntry { address, weight })
    }
}
