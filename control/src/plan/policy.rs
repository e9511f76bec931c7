//! From defaults and options to the policy that workers follow.

use std::sync::Arc;

use dataplane::table::{Limits, Policy, SourceFilter, Timeouts};

use crate::desired::{Options, Prefixes, TimeoutOptions};

/// How services are balanced that do not say otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    policy: Policy,
    allow: Prefixes,
    deny: Prefixes,
}

impl Defaults {
    /// `policy` with these options.
    #[must_use]
    pub fn new(policy: Policy, options: &Options) -> Self {
        let bare = Self {
            policy,
            allow: Prefixes::default(),
            deny: Prefixes::default(),
        };
        Self {
            policy: bare.policy(options),
            allow: options.allow.clone().unwrap_or_default(),
            deny: options.deny.clone().unwrap_or_default(),
        }
    }

    /// The policy of a service with these options.
    #[must_use]
    pub fn policy(&self, options: &Options) -> Policy {
        let default = &self.policy;
        Policy {
            mode: options.mode.unwrap_or(default.mode),
            timeouts: timeouts(&default.timeouts, &options.timeouts),
            refusal: options.no_backend.unwrap_or(default.refusal),
            removal: options.on_removal.unwrap_or(default.removal),
            source_affinity: options.source_affinity.unwrap_or(default.source_affinity),
            max_segment: bound(options.max_segment, default.max_segment),
            limits: Limits {
                new_flows_per_second: bound(
                    options.new_flows_per_second,
                    default.limits.new_flows_per_second,
                ),
                flows: bound(options.flows, default.limits.flows),
            },
            sources: self.sources(options),
        }
    }

    /// A service without lists of its own shares the defaults' filter.
    fn sources(&self, options: &Options) -> Option<Arc<SourceFilter>> {
        if options.allow.is_none() && options.deny.is_none() {
            return self.policy.sources.clone();
        }
        let allow = options.allow.as_ref().unwrap_or(&self.allow);
        let deny = options.deny.as_ref().unwrap_or(&self.deny);
        let restricts = !allow.is_empty() || !deny.is_empty();
        let list = |prefixes: &Prefixes| prefixes.iter().copied().collect();
        restricts.then(|| Arc::new(SourceFilter::new(list(allow), list(deny))))
    }
}

/// A bound of 0 is none.
fn bound<T: Default + PartialEq>(option: Option<T>, default: Option<T>) -> Option<T> {
    match option {
        Some(bound) => Some(bound).filter(|bound| *bound != T::default()),
        None => default,
    }
}

fn timeouts(default: &Timeouts, options: &TimeoutOptions) -> Timeouts {
    Timeouts {
        tcp_handshake: options.tcp_handshake.unwrap_or(default.tcp_handshake),
        tcp_established: options.tcp_established.unwrap_or(default.tcp_established),
        tcp_closing: options.tcp_closing.unwrap_or(default.tcp_closing),
        udp: options.udp.unwrap_or(default.udp),
    }
}
