//! How a source wants a service to be balanced, where that is not by the defaults.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataplane::clock::TickSpan;
use dataplane::table::{Mode, Prefix, Refusal, Removal};

/// A list of sources: shared, because snapshots are copied and lists can be long.
pub type Prefixes = Arc<BTreeSet<Prefix>>;

/// What is set differs from the defaults; what is not follows them. The fields mean what they do
/// in a [`dataplane::table::Policy`], and a number of 0 takes away a bound that the defaults set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How packets reach the backends.
    pub mode: Option<Mode>,
    /// Idle timeouts.
    pub timeouts: TimeoutOptions,
    /// What is sent when there is no live backend.
    pub no_backend: Option<Refusal>,
    /// What becomes of a removed backend's connections.
    pub on_removal: Option<Removal>,
    /// All flows of a source address go to the same backend.
    pub source_affinity: Option<bool>,
    /// Largest TCP segment that SYNs may announce, in bytes.
    pub max_segment: Option<u16>,
    /// New flows in a second, over all workers.
    pub new_flows_per_second: Option<u32>,
    /// Flows at a time, over all workers.
    pub flows: Option<u32>,
    /// Allowed clients, instead of those that the defaults allow.
    pub allow: Option<Prefixes>,
    /// Denied clients, instead of those that the defaults deny.
    pub deny: Option<Prefixes>,
}

/// Idle timeouts that differ from the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutOptions {
    /// TCP, until both sides have been heard.
    pub tcp_handshake: Option<TickSpan>,
    /// TCP, both sides heard.
    pub tcp_established: Option<TickSpan>,
    /// TCP, after the first FIN.
    pub tcp_closing: Option<TickSpan>,
    /// UDP.
    pub udp: Option<TickSpan>,
}

impl Options {
    /// Takes over what only `other` sets. Returns the keys that both set, to different values;
    /// those keep the value that they have.
    pub fn complete(&mut self, other: &Self) -> Vec<&'static str> {
        let (own, others) = (&mut self.timeouts, &other.timeouts);
        let keeps = [
            (
                "timeouts.tcp_handshake",
                keep(&mut own.tcp_handshake, &others.tcp_handshake),
            ),
            (
                "timeouts.tcp_established",
                keep(&mut own.tcp_established, &others.tcp_established),
            ),
            (
                "timeouts.tcp_closing",
                keep(&mut own.tcp_closing, &others.tcp_closing),
            ),
            ("timeouts.udp", keep(&mut own.udp, &others.udp)),
            ("mode", keep(&mut self.mode, &other.mode)),
            ("no_backend", keep(&mut self.no_backend, &other.no_backend)),
            ("on_removal", keep(&mut self.on_removal, &other.on_removal)),
            (
                "affinity",
                keep(&mut self.source_affinity, &other.source_affinity),
            ),
            (
                "max_segment",
                keep(&mut self.max_segment, &other.max_segment),
            ),
            (
                "new_flows_per_second",
                keep(&mut self.new_flows_per_second, &other.new_flows_per_second),
            ),
            ("flows", keep(&mut self.flows, &other.flows)),
            ("allow", keep(&mut self.allow, &other.allow)),
            ("deny", keep(&mut self.deny, &other.deny)),
        ];
        let conflicts = keeps.into_iter().filter(|(_, agrees)| !agrees);
        conflicts.map(|(key, _)| key).collect()
    }
}

/// Whether the two agree; takes over the other value if there is none.
fn keep<T: Clone + PartialEq>(own: &mut Option<T>, other: &Option<T>) -> bool {
    match (&own, other) {
        (Some(own), Some(other)) => own == other,
        (None, Some(_)) => {
            own.clone_from(other);
            true
        }
        (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stays_and_what_is_not_is_taken_over() {
        let mut one = Options {
            mode: Some(Mode::Dsr),
            flows: Some(5),
            ..Options::default()
        };
        let udp = Some(TickSpan(7));
        let other = Options {
            mode: Some(Mode::Ipip),
            flows: Some(5),
            timeouts: TimeoutOptions {
                udp,
                ..TimeoutOptions::default()
            },
            ..Options::default()
        };
        assert_eq!(one.complete(&other), ["mode"]);
        assert_eq!(
            (one.mode, one.flows, one.timeouts.udp),
            (Some(Mode::Dsr), Some(5), udp)
        );
        assert_eq!(one.complete(&Options::default()), Vec::<&str>::new());
    }
}
