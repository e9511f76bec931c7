//! The sections about where services come from.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::value::{HttpUrl, Period, Size};

/// `[sources]`: at least one of them is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Marathon's REST API and event stream (startup-only).
    pub marathon: Option<Marathon>,
    /// A services file (startup-only).
    pub file: Option<File>,
}

impl Sources {
    /// The names of the sources that are configured, as status and metrics spell them.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let marathon = self.marathon.as_ref().map(|_| "marathon");
        let file = self.file.as_ref().map(|_| "file");
        marathon.into_iter().chain(file).collect()
    }
}

/// `[sources.marathon]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marathon {
    /// Base URLs of the Marathon hosts, at least one, in order of preference (startup-only).
    pub urls: Vec<HttpUrl>,
    /// Framework name in VIP names, instead of what `/v2/info` says (startup-only).
    #[serde(default)]
    pub framework: Option<String>,
    /// Events within this time cause one read (startup-only). Default 200 ms.
    #[serde(default = "default_debounce")]
    pub debounce: Period,
    /// A full read happens at least this often (startup-only). Default 60 s.
    #[serde(default = "default_resync")]
    pub resync: Period,
    /// Longest time that one read may take (startup-only). Default 30 s.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// How long an empty list after a full one must stay empty before it is believed
    /// (startup-only). Default 5 min.
    #[serde(default = "default_empty_hold")]
    pub empty_hold: Period,
    /// Largest answer that is read (startup-only). Default 100 MiB.
    #[serde(default = "default_max_body")]
    pub max_body: Size,
}

const fn default_debounce() -> Period {
    Period::new(Duration::from_millis(200))
}

const fn default_resync() -> Period {
    Period::new(Duration::from_secs(60))
}

const fn default_timeout() -> Period {
    Period::new(Duration::from_secs(30))
}

const fn default_empty_hold() -> Period {
    Period::new(Duration::from_secs(5 * 60))
}

const fn default_max_body() -> Size {
    Size::mebibytes(100)
}

/// `[sources.file]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The services file (startup-only). Default `/etc/viaduct/services.toml`.
    pub path: PathBuf,
    /// How often it is looked at for changes (startup-only). Default 1 s.
    pub poll: Period,
}

impl Default for File {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/etc/viaduct/services.toml"),
            poll: Period::new(Duration::from_secs(1)),
        }
    }
}
