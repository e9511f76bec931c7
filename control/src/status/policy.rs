//! How a service is balanced, as operators see it: the words of the configuration.

use dataplane::clock::{TICK, TickSpan};
use dataplane::table::{Mode, Policy, Refusal, Removal, Timeouts};
use serde::{Deserialize, Serialize};

/// The policy that workers follow for one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// How packets reach backends.
    pub mode: String,
    /// What a client gets when no backend can serve it.
    pub no_backend: String,
    /// What becomes of a removed backend's connections.
    pub on_removal: String,
    /// `source` if all flows of a client go to the same backend, else `none`.
    pub affinity: String,
    /// Largest TCP segment that SYNs may announce, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_segment: Option<u16>,
    /// New flows in a second, over all workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_flows_per_second: Option<u32>,
    /// Flows at a time, over all workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flows: Option<u32>,
    /// Whether only some clients may use it.
    pub restricted: bool,
    /// Idle timeouts; absent where they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutStatus>,
}

/// Idle timeouts with units, as `2h 15m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeoutStatus {
    /// TCP, until both sides have been heard.
    pub tcp_handshake: String,
    /// TCP, both sides heard.
    pub tcp_established: String,
    /// TCP, after the first FIN.
    pub tcp_closing: String,
    /// UDP.
    pub udp: String,
}

/// `nat`, with nothing out of the ordinary.
impl Default for PolicyStatus {
    fn default() -> Self {
        Self {
            mode: Mode::default().name().to_owned(),
            no_backend: Refusal::default().name().to_owned(),
            on_removal: Removal::default().name().to_owned(),
            affinity: affinity(false),
            max_segment: None,
            new_flows_per_second: None,
            flows: None,
            restricted: false,
            timeouts: None,
        }
    }
}

impl From<&Policy> for PolicyStatus {
    fn from(policy: &Policy) -> Self {
        Self {
            mode: policy.mode.name().to_owned(),
            no_backend: policy.refusal.name().to_owned(),
            on_removal: policy.removal.name().to_owned(),
            affinity: affinity(policy.source_affinity),
            max_segment: policy.max_segment,
            new_flows_per_second: policy.limits.new_flows_per_second,
            flows: policy.limits.flows,
            restricted: policy.sources.is_some(),
            timeouts: Some(TimeoutStatus::from(&policy.timeouts)),
        }
    }
}

impl From<&Timeouts> for TimeoutStatus {
    fn from(timeouts: &Timeouts) -> Self {
        let text = |span: TickSpan| humantime::format_duration(TICK * span.0).to_string();
        Self {
            tcp_handshake: text(timeouts.tcp_handshake),
            tcp_established: text(timeouts.tcp_established),
            tcp_closing: text(timeouts.tcp_closing),
            udp: text(timeouts.udp),
        }
    }
}

impl PolicyStatus {
    /// The mode, and what is out of the ordinary, without blanks: `ipip,affinity=source`.
    #[must_use]
    pub fn brief(&self) -> String {
        let usual = Self::default();
        let word = |key: &str, own: &String, usual: &String| {
            (own != usual).then(|| format!("{key}={own}"))
        };
        let bound = |key: &str, bound: Option<u32>| bound.map(|bound| format!("{key}={bound}"));
        let parts = [
            Some(self.mode.clone()),
            word("no_backend", &self.no_backend, &usual.no_backend),
            word("on_removal", &self.on_removal, &usual.on_removal),
            word("affinity", &self.affinity, &usual.affinity),
            bound("max_segment", self.max_segment.map(u32::from)),
            bound("new_flows_per_second", self.new_flows_per_second),
            bound("flows", self.flows),
            self.restricted.then(|| "restricted".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(",")
    }
}

fn affinity(source: bool) -> String {
    match source {
        true => "source",
        false => "none",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dataplane::table::{Limits, SourceFilter};

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        tcp_handshake: TickSpan(300),
        tcp_established: TickSpan(81_000),
        tcp_closing: TickSpan(5),
        udp: TickSpan(3000),
    };

    #[test]
    fn only_what_is_out_of_the_ordinary_is_brief() {
        let policy = Policy::new(TIMEOUTS);
        assert_eq!(PolicyStatus::from(&policy).brief(), "nat");
        let policy = Policy {
            mode: Mode::Gue,
            refusal: Refusal::Drop,
            removal: Removal::Keep,
            source_affinity: true,
            max_segment: Some(1400),
            limits: Limits {
                new_flows_per_second: Some(10),
                flows: Some(20),
            },
            sources: Some(Arc::new(SourceFilter::default())),
            ..policy
        };
        assert_eq!(
            PolicyStatus::from(&policy).brief(),
            "gue,no_backend=drop,on_removal=keep,affinity=source,max_segment=1400,\
             new_flows_per_second=10,flows=20,restricted"
        );
    }

    #[test]
    fn timeouts_have_units() {
        let status = TimeoutStatus::from(&TIMEOUTS);
        assert_eq!(status.tcp_established, "2h 15m");
        assert_eq!(status.tcp_closing, "500ms");
    }
}
