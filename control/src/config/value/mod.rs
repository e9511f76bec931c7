//! The kinds of values that configuration keys have beyond TOML's own. Each is checked once,
//! when it is read, and cannot hold a wrong value afterwards.
//!
//! A value that does not parse says what is wrong with it and what was expected; where it
//! stands in the file is the reader's business.

mod address;
mod address_range;
mod cpu;
mod mac;
mod period;
mod policy;
mod port_range;
mod prefix;
mod size;
mod url;
mod vlan;
mod zone;

use std::fmt;

pub use address::{Addresses, Gateways, HostAddress, InterfaceAddress, OneOrMany};
pub use address_range::AddressRange;
pub use cpu::CpuList;
pub use mac::Mac;
pub use period::Period;
pub use policy::{Affinity, ModeName, RefusalName, RemovalName, segment_size};
pub use port_range::PortRange;
pub use prefix::Prefix;
pub use size::Size;
pub use url::HttpUrl;
pub use vlan::VlanId;
pub use zone::Zone;

/// A value that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, expected {expected}")]
pub struct ValueError {
    /// What is wrong with it.
    pub problem: String,
    /// What can stand there, with an example.
    pub expected: &'static str,
}

impl ValueError {
    fn new(problem: impl fmt::Display, expected: &'static str) -> Self {
        Self {
            problem: problem.to_string(),
            expected,
        }
    }
}

/// Reads a type from a TOML string by its `FromStr`.
macro_rules! read_from_text {
    ($type:ty, $expected:expr) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use read_from_text;
