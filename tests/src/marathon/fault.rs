//! The ways in which the pretended Marathon can fail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How Marathon answers from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As it should.
    #[default]
    Ok,
    /// It does not listen, and connections that exist are closed: "connection refused".
    Down,
    /// Every answer is 500 with Marathon's own error body.
    Error500,
    /// Every answer is 200 with a login page, as an authenticating proxy gives.
    Html,
    /// The connection closes in the middle of the body.
    Truncated,
    /// `/v2/apps` is a well-formed empty list.
    Empty,
    /// Bodies come in drops, `drop_every_ms` apart.
    Slow,
}

/// A fault as the control endpoint takes it: `{"mode":"slow","drop_every_ms":250}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub mode: Mode,
    /// Pause after each byte of a slow body, in milliseconds.
    #[serde(default = "default_drop_every")]
    pub drop_every_ms: u64,
}

fn default_drop_every() -> u64 {
    250
}

impl Default for Fault {
    fn default() -> Self {
        Self::of(Mode::Ok)
    }
}

impl Fault {
    /// This mode with its defaults.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            drop_every_ms: default_drop_every(),
        }
    }

    /// The pause after each byte of a slow body.
    #[must_use]
    pub fn drop_every(&self) -> Duration {
        Duration::from_millis(self.drop_every_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_short_form_has_defaults_and_unknown_keys_are_refused() {
        let fault: Fault = serde_json::from_str(r#"{"mode":"error500"}"#).unwrap();
        assert_eq!(fault, Fault::of(Mode::Error500));
        assert!(serde_json::from_str::<Fault>(r#"{"mode":"ok","delay":1}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"mode":"nonsense"}"#).is_err());
    }
}
