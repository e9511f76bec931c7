//! Several sources, one desired state.
//!
//! The rule: a service is the union of what the sources say of it, as with several apps that share
//! a VIP. Where two sources name the same backend of the same service, the source whose name
//! sorts first describes it; where two set the same option of a service, the same one decides.
//! If they disagree about a weight or an option, that is reported.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::SOURCE;
use crate::desired::{Backend, Backends, Problem, ServiceKey, Snapshot};

/// Merges snapshots by source name. The order in which they are given does not matter.
#[must_use]
pub fn merge(snapshots: &[(&str, Arc<Snapshot>)]) -> Snapshot {
    let mut sorted: Vec<_> = snapshots.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut merged = Snapshot::default();
    for (name, snapshot) in sorted {
        merged.problems.extend(snapshot.problems.iter().cloned());
        for (key, service) in &snapshot.services {
            let into = merged.services.entry(key.clone()).or_default();
            let problems = &mut merged.problems;
            merge_backends(&mut into.backends, key, name, &service.backends, problems);
            let conflicts = into.options.complete(&service.options);
            problems.extend(
                conflicts
                    .into_iter()
                    .map(|option| other_option(key, option, name)),
            );
        }
    }
    merged.problems.sort();
    merged
}

fn merge_backends(
    into: &mut Backends,
    key: &ServiceKey,
    source: &str,
    backends: &Backends,
    problems: &mut Vec<Problem>,
) {
    for (address, backend) in backends {
        match into.entry(*address) {
            Entry::Vacant(place) => {
                place.insert(backend.clone());
            }
            Entry::Occupied(first) if first.get().weight != backend.weight => {
                problems.push(conflict(
                    key,
                    &address.to_string(),
                    first.get(),
                    source,
                    backend,
                ));
            }
            Entry::Occupied(_) => {}
        }
    }
}

fn conflict(
    key: &ServiceKey,
    address: &str,
    first: &Backend,
    source: &str,
    second: &Backend,
) -> Problem {
    Problem {
        source: SOURCE.to_owned(),
        subject: key.to_string(),
        port_index: None,
        label: address.to_owned(),
        reason: format!(
            "{} has weight {} by {} but {} by {} ({source}); the first counts: describe a backend in one source only",
            address, first.weight, first.origin, second.weight, second.origin
        ),
    }
}

fn other_option(key: &ServiceKey, option: &str, source: &str) -> Problem {
    Problem {
        source: SOURCE.to_owned(),
        subject: key.to_string(),
        port_index: None,
        label: option.to_owned(),
        reason: format!(
            "{source} sets `{option}` to another value than a source before it, which counts: set it in one source only"
        ),
    }
}
