//! The packet suite: its cases hold, they leave no drop reason out, and no file is broken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use control::check::{self, Suite};
use dataplane::verdict::DropReason;

/// Reasons that no case can show, and why.
const NOT_SHOWN: &[(DropReason, &str)] = &[];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/packets/suite")
}

fn suites() -> Vec<Suite> {
    let files = check::files(&[folder()]).unwrap_or_else(|error| panic!("{error}"));
    let load = |file: &PathBuf| Suite::load(file).unwrap_or_else(|error| panic!("{error}"));
    files.iter().map(load).collect()
}

#[test]
fn every_case_holds() {
    let suites = suites();
    let mut failures = Vec::new();
    for suite in &suites {
        for case in &suite.cases {
            let failed = check::run(suite, case).failures;
            failures.extend(
                failed
                    .into_iter()
                    .map(|f| format!("{}: {}: {f}", suite.name, case.name)),
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(suites.iter().all(|suite| !suite.cases.is_empty()));
}

#[test]
fn every_drop_reason_has_a_case() {
    let suites = suites();
    let steps = suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .flat_map(|case| &case.step);
    let shown: BTreeSet<&str> = steps
        .flat_map(|step| step.verdicts.keys())
        .filter_map(|verdict| verdict.strip_prefix("drop "))
        .collect();
    for reason in DropReason::ALL {
        let excused = NOT_SHOWN.iter().any(|(excused, _)| excused == reason);
        let label = reason.label();
        assert!(
            shown.contains(label) != excused,
            "{label} needs a case in tests/packets/cases or, if there can be none, a row in NOT_SHOWN"
        );
    }
}

#[test]
fn a_case_that_does_not_hold_says_where() {
    let mut suites = suites();
    let nat = suites
        .iter_mut()
        .find(|suite| suite.name == "nat")
        .expect("there are nat cases");
    let wrong = nat.cases[0].step[0]
        .frame
        .clone()
        .expect("the first step has a frame");
    let case = &mut nat.cases[0];
    case.step[0].out[0].frame = wrong;
    case.step[0].flows_made = 2;
    case.step[0].verdicts.clear();
    let failures = check::run(nat, &nat.cases[0]).failures.join("\n");
    for part in [
        "step 1: ",
        "IPv4 source: expected 0a630065, got 0a630003",
        "counted {\"forward\": 1}",
        "flows made",
    ] {
        assert!(failures.contains(part), "{part} is not in:\n{failures}");
    }
}
