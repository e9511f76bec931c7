//! IPv4 and IPv6: which addresses a service has, and which backends it has at each.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const BOTH: &[(&str, u16)] = &[("10.0.0.1:80", 1), ("[fd00::1]:80", 1), ("[fd00::2]:80", 1)];
const ONLY_IPV6: &[(&str, u16)] = &[("[fd00::1]:80", 1)];

fn in_mode(vip: Vip, mode: Mode, backends: &'static [(&str, u16)]) -> Snapshot {
    let options = Options {
        mode: Some(mode),
        ..Options::default()
    };
    snapshot_with(&[(key(vip, 80), backends, options)])
}

fn vip(text: &str) -> Vip {
    Vip::Address(text.parse().expect("an address"))
}

/// Each listener's address and the addresses of its backends.
fn served(plan: &Plan) -> Vec<(String, Vec<String>)> {
    let services = plan.services.iter().map(|(listener, planned)| {
        let backends = planned.service.backends().iter();
        let backends = backends.map(|b| b.address.to_string()).collect();
        (listener.address.to_string(), backends)
    });
    services.collect()
}

fn row(address: &str, backends: &[&str]) -> (String, Vec<String>) {
    let backends = backends.iter().map(|&b| b.to_owned()).collect();
    (address.to_owned(), backends)
}

/// What DC/OS gives the name `qux.ipv6`, and what it gives `my-service.marathon`.
const QUX: &str = "fd01:c::6d6d:9c64:fd19:f251";
const MY_SERVICE: &str = "11.134.216.93";

#[test]
fn a_name_with_ipv6_backends_has_its_dcos_address() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[(key(named("qux.ipv6"), 80), ONLY_IPV6)]));
    assert_eq!(
        served(plan),
        [row(&format!("[{QUX}]:80"), &["[fd00::1]:80"])]
    );
    let address: IpAddr = QUX.parse().expect("an address");
    assert_eq!(plan.names["qux.ipv6"], [address]);
    assert_eq!(plan.problems, []);
}

#[test]
fn a_name_with_backends_of_both_versions_is_two_services() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[(key(named("my-service.marathon"), 80), BOTH)]));
    let [v4, v6] = &served(plan)[..] else {
        panic!("two services: {:?}", served(plan));
    };
    assert_eq!(*v4, row(&format!("{MY_SERVICE}:80"), &["10.0.0.1:80"]));
    assert_eq!(v6.1, ["[fd00::1]:80", "[fd00::2]:80"]);
    let names = &plan.names["my-service.marathon"];
    assert_eq!(names[0], MY_SERVICE.parse::<IpAddr>().expect("an address"));
    assert!(names.len() == 2 && names[1].is_ipv6(), "{names:?}");
    assert_eq!(plan.problems, []);
}

#[test]
fn tunnels_reach_all_backends_from_either_address() {
    for mode in [Mode::Ipip, Mode::Gue] {
        let mut host = Host::new(8);
        let plan = host.plan(&in_mode(named("a.m"), mode, BOTH));
        let counts: Vec<_> = served(plan).iter().map(|(_, b)| b.len()).collect();
        assert_eq!((counts, plan.problems.len()), (vec![3, 3], 0));
        let plan = host.plan(&in_mode(vip("192.0.2.1"), mode, BOTH));
        let all = ["10.0.0.1:80", "[fd00::1]:80", "[fd00::2]:80"];
        assert_eq!(served(plan), [row("192.0.2.1:80", &all)]);
        assert_eq!(plan.problems, []);
    }
}

#[test]
fn backends_that_a_vip_cannot_reach_are_reported() {
    for mode in [Mode::Nat, Mode::Gateway, Mode::Dsr] {
        let mut host = Host::new(8);
        let plan = host.plan(&in_mode(vip("192.0.2.1"), mode, BOTH));
        assert_eq!(served(plan), [row("192.0.2.1:80", &["10.0.0.1:80"])]);
        let [problem] = &plan.problems[..] else {
            panic!("one problem: {:?}", plan.problems);
        };
        assert_eq!(
            (problem.subject.as_str(), problem.label.as_str()),
            ("192.0.2.1:80/tcp", "backends")
        );
        let says = |part: &str| problem.reason.contains(part);
        assert!(
            says("2 of the backends") && says("[fd00::1]:80, [fd00::2]:80"),
            "{problem:?}"
        );
        assert!(
            says(&format!("`{}`", mode.name())) && says("`ipip`"),
            "{problem:?}"
        );
    }
}

#[test]
fn an_ipv6_vip_is_a_service() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[(key(vip("2001:db8::1"), 80), ONLY_IPV6)]));
    assert_eq!(served(plan), [row("[2001:db8::1]:80", &["[fd00::1]:80"])]);
    let at = "[2001:db8::1]:80".parse().expect("a socket address");
    assert!(plan.table().lookup(at, Protocol::Tcp).is_some());
}

#[test]
fn nat_needs_a_source_address_of_the_version() {
    let mut host = Host::new(8);
    host.site.ipv6.nat = false;
    let plan = host.plan(&snapshot(&[(key(named("my-service.marathon"), 80), BOTH)]));
    assert_eq!(
        served(plan),
        [row(&format!("{MY_SERVICE}:80"), &["10.0.0.1:80"])]
    );
    assert_eq!(plan.names["my-service.marathon"].len(), 1);
    assert_eq!(plan.problems.len(), 1);
    let problem = &plan.problems[0];
    assert_eq!(problem.label, "nat.addresses");
    assert!(
        problem.reason.contains("IPv6") && problem.reason.contains("add one to `nat.addresses`")
    );

    let plan = host.plan(&in_mode(named("my-service.marathon"), Mode::Dsr, BOTH));
    assert_eq!((plan.services.len(), plan.problems.len()), (2, 0));
    let plan = host.plan(&in_mode(vip("2001:db8::1"), Mode::Nat, ONLY_IPV6));
    assert_eq!((plan.services.len(), plan.problems.len()), (0, 1));
}

#[test]
fn a_version_that_no_port_speaks_is_not_served() {
    let mut host = Host::new(8);
    host.site.ipv6.port = false;
    for mode in [Mode::Nat, Mode::Dsr, Mode::Gue] {
        let plan = host.plan(&in_mode(vip("2001:db8::1"), mode, ONLY_IPV6));
        assert_eq!((plan.services.len(), plan.problems.len()), (0, 1));
        let problem = &plan.problems[0];
        assert_eq!(problem.label, "ports.address");
        assert!(problem.reason.contains("no port has an IPv6 address"));
    }
    let plan = host.plan(&in_mode(vip("192.0.2.1"), Mode::Gue, BOTH));
    assert_eq!(served(plan), [row("192.0.2.1:80", &["10.0.0.1:80"])]);
    let advice = "give a port an address of their IP version";
    assert!(plan.problems[0].reason.contains(advice));
}

#[test]
fn a_name_that_loses_its_backends_stays_at_its_address() {
    let mut host = Host::new(8);
    let name = key(named("qux.ipv6"), 80);
    let before = served(host.plan(&snapshot(&[(name.clone(), ONLY_IPV6)])));
    let plan = host.plan(&snapshot(&[(name.clone(), &[])]));
    assert_eq!(served(plan), [row(&before[0].0, &[])]);
    assert!(plan.names.is_empty());
    let mut new = Host::new(8);
    let plan = new.plan(&snapshot(&[(name.clone(), &[])]));
    assert!(plan.services.keys().all(|l| l.address.is_ipv4()) && plan.services.len() == 1);
    let mut no_ipv4 = Host::new(8);
    no_ipv4.site.ipv4.nat = false;
    let plan = no_ipv4.plan(&snapshot(&[(name, &[])]));
    assert!(plan.services.keys().all(|l| l.address.is_ipv6()) && plan.services.len() == 1);
    assert_eq!(plan.problems, []);
}

#[test]
fn an_ipv6_vip_in_the_pool_is_kept_from_names() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[
        (key(named("qux.ipv6"), 80), ONLY_IPV6),
        (key(vip(QUX), 443), ONLY_IPV6),
    ]));
    let next = "fd01:c::6d6d:9c64:fd19:f252"
        .parse::<IpAddr>()
        .expect("an address");
    assert_eq!(plan.names["qux.ipv6"], [next]);
}

fn some_vip() -> impl Strategy<Value = Vip> {
    select(vec![named("a.m"), vip("192.0.2.1"), vip("2001:db8::1")])
}

fn some_reach() -> impl Strategy<Value = Reach> {
    any::<(bool, bool)>().prop_map(|(port, nat)| Reach { port, nat })
}

proptest! {
    /// What is wanted is served, in a way that works, or there is a problem that says why not.
    #[test]
    fn no_backend_is_left_out_silently(
        vip in some_vip(),
        mode in select(Mode::ALL.to_vec()),
        backends in subsequence(BOTH.to_vec(), 0..=BOTH.len()),
        (ipv4, ipv6) in (some_reach(), some_reach()),
    ) {
        let mut host = Host::new(16);
        (host.site.ipv4, host.site.ipv6) = (ipv4, ipv6);
        let options = Options { mode: Some(mode), ..Options::default() };
        let plan = host.plan(&snapshot_with(&[(key(vip, 80), &backends, options)]));
        let mut served = BTreeSet::new();
        for (listener, planned) in &plan.services {
            let is_ipv6 = listener.address.is_ipv6();
            let reach = |is_ipv6: bool| if is_ipv6 { ipv6 } else { ipv4 };
            prop_assert!(reach(is_ipv6).port);
            prop_assert!(mode != Mode::Nat || reach(is_ipv6).nat);
            for backend in planned.service.backends() {
                let backend_is_ipv6 = backend.address.is_ipv6();
                prop_assert!(mode.mixes_families() || backend_is_ipv6 == is_ipv6);
                prop_assert!(reach(backend_is_ipv6).port);
                served.insert(backend.address);
            }
        }
        let complete = served.len() == backends.len() && !plan.services.is_empty();
        prop_assert_eq!(plan.problems.is_empty(), complete, "{:?}", plan);
    }
}
