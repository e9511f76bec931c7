//! Defaults, options, and what a change of them rebuilds.

use std::net::Ipv4Addr;

use dataplane::table::{Limits, Prefix, Refusal, Removal};

use super::*;
use crate::desired::{Prefixes, TimeoutOptions};

fn prefixes(list: &[[u8; 4]]) -> Option<Prefixes> {
    let prefix = |octets: &[u8; 4]| Prefix {
        address: Ipv4Addr::from(*octets).into(),
        len: 8,
    };
    Some(Arc::new(list.iter().map(prefix).collect()))
}

/// Defaults that differ from the built-in ones wherever they can.
fn strict() -> Defaults {
    let options = Options {
        mode: Some(Mode::Dsr),
        no_backend: Some(Refusal::Drop),
        on_removal: Some(Removal::Keep),
        source_affinity: Some(true),
        max_segment: Some(1400),
        new_flows_per_second: Some(10),
        flows: Some(20),
        deny: prefixes(&[[10, 0, 0, 0]]),
        ..Options::default()
    };
    Defaults::new(Policy::new(TIMEOUTS), &options)
}

fn permits(policy: &Policy, client: [u8; 4]) -> bool {
    policy.permits(IpAddr::from(client))
}

#[test]
fn a_service_without_options_has_the_defaults() {
    let built_in = Defaults::new(Policy::new(TIMEOUTS), &Options::default());
    assert_eq!(built_in.policy(&Options::default()), Policy::new(TIMEOUTS));
    let policy = strict().policy(&Options::default());
    assert_eq!(policy.mode, Mode::Dsr);
    assert_eq!(
        (policy.refusal, policy.removal),
        (Refusal::Drop, Removal::Keep)
    );
    assert!(policy.source_affinity && policy.max_segment == Some(1400));
    let limits = Limits {
        new_flows_per_second: Some(10),
        flows: Some(20),
    };
    assert_eq!(policy.limits, limits);
    assert!(!permits(&policy, [10, 0, 0, 1]) && permits(&policy, [11, 0, 0, 1]));
}

#[test]
fn options_go_before_defaults_and_zero_takes_a_bound_away() {
    let options = Options {
        mode: Some(Mode::Gue),
        timeouts: TimeoutOptions {
            udp: Some(TickSpan(9)),
            ..TimeoutOptions::default()
        },
        source_affinity: Some(false),
        max_segment: Some(0),
        new_flows_per_second: Some(0),
        flows: Some(5),
        ..Options::default()
    };
    let policy = strict().policy(&options);
    assert_eq!((policy.mode, policy.refusal), (Mode::Gue, Refusal::Drop));
    let expected = Timeouts {
        udp: TickSpan(9),
        ..TIMEOUTS
    };
    assert_eq!(policy.timeouts, expected);
    assert!(!policy.source_affinity && policy.max_segment.is_none());
    let limits = Limits {
        new_flows_per_second: None,
        flows: Some(5),
    };
    assert_eq!(policy.limits, limits);
}

#[test]
fn a_list_of_a_service_replaces_that_list_of_the_defaults() {
    let allow = Options {
        allow: prefixes(&[[10, 0, 0, 0], [12, 0, 0, 0]]),
        ..Options::default()
    };
    let both = strict().policy(&allow);
    assert!(!permits(&both, [10, 0, 0, 1]), "the defaults' denial holds");
    assert!(permits(&both, [12, 0, 0, 1]) && !permits(&both, [13, 0, 0, 1]));
    let none = Options {
        deny: prefixes(&[]),
        ..Options::default()
    };
    assert_eq!(strict().policy(&none).sources, None);
}

fn one(options: Options) -> Snapshot {
    snapshot_with(&[(key(named("a.m"), 80), WEB, options)])
}

#[test]
fn a_change_of_policy_keeps_the_maglev_table() {
    let mut host = Host::new(8);
    let listener = |plan: &Plan| plan.services.values().next().expect("one service").clone();
    let before = listener(host.plan(&one(Options::default())));
    let options = Options {
        mode: Some(Mode::Gateway),
        allow: prefixes(&[[10, 0, 0, 0]]),
        ..Options::default()
    };
    let after = listener(host.plan(&one(options.clone())));
    assert_eq!(after.service.policy().mode, Mode::Gateway);
    assert!(!Arc::ptr_eq(&before.service, &after.service));
    assert!(after.service.shares_maglev(&before.service));
    let again = listener(host.plan(&one(options)));
    assert!(Arc::ptr_eq(&after.service, &again.service));
    let back = listener(host.plan(&one(Options::default())));
    assert_eq!(back.service.policy(), before.service.policy());
}

#[test]
fn options_that_change_nothing_keep_the_service() {
    let mut host = Host::new(8);
    let service = |plan: &Plan| Arc::clone(&plan.services.values().next().expect("one").service);
    let before = service(host.plan(&one(Options::default())));
    let as_default = Options {
        mode: Some(Mode::Nat),
        flows: Some(0),
        ..Options::default()
    };
    let after = service(host.plan(&one(as_default)));
    assert!(Arc::ptr_eq(&before, &after));
}

#[test]
fn of_two_sources_that_set_an_option_the_first_by_name_counts() {
    let web = key(named("a.m"), 80);
    let with = |mode, flows| {
        let options = Options {
            mode,
            flows,
            ..Options::default()
        };
        Arc::new(snapshot_with(&[(web.clone(), WEB, options)]))
    };
    let (file, marathon) = (with(Some(Mode::Dsr), None), with(Some(Mode::Ipip), Some(7)));
    let sources = [
        ("marathon", Arc::clone(&marathon)),
        ("file", Arc::clone(&file)),
    ];
    let merged = merge(&sources);
    assert_eq!(merged, merge(&[("file", file), ("marathon", marathon)]));
    let options = &merged.services[&web].options;
    assert_eq!((options.mode, options.flows), (Some(Mode::Dsr), Some(7)));
    let [problem] = &merged.problems[..] else {
        panic!("one problem: {:?}", merged.problems);
    };
    assert_eq!(problem.label, "mode");
    assert!(
        problem.reason.contains("marathon sets `mode`"),
        "{problem:?}"
    );
}
