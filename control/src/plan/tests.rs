mod policies;
mod versions;

use dataplane::clock::TickSpan;
use dataplane::table::{Mode, Policy, Timeouts};

use super::*;
use crate::desired::{self, Backends, Options, ServiceKey, Snapshot, Vip};
use crate::vip::allocator::{Allocator, Allocators};

const TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: TickSpan(1),
    tcp_established: TickSpan(2),
    tcp_closing: TickSpan(3),
    udp: TickSpan(4),
};

const EVERYTHING: Reach = Reach {
    port: true,
    nat: true,
};

fn key(vip: Vip, port: u16) -> ServiceKey {
    ServiceKey {
        vip,
        port,
        protocol: Protocol::Tcp,
    }
}

fn named(name: &str) -> Vip {
    Vip::Named(name.to_owned())
}

fn backends(list: &[(&str, u16)]) -> Backends {
    let backend = |&(address, weight): &(&str, u16)| {
        let origin = format!("task at {address}");
        (
            address.parse().expect("a socket address"),
            desired::Backend { weight, origin },
        )
    };
    list.iter().map(backend).collect()
}

fn snapshot(services: &[(ServiceKey, &[(&str, u16)])]) -> Snapshot {
    let services = services.iter();
    snapshot_with(
        &services
            .map(|(key, list)| (key.clone(), *list, Options::default()))
            .collect::<Vec<_>>(),
    )
}

/// A service with addresses and weights of its backends, and its options.
type Wanted<'a> = (ServiceKey, &'a [(&'a str, u16)], Options);

fn snapshot_with(services: &[Wanted<'_>]) -> Snapshot {
    let services = services.iter().map(|(key, list, options)| {
        let service = desired::Service {
            backends: backends(list),
            options: options.clone(),
        };
        (key.clone(), service)
    });
    Snapshot {
        services: services.collect(),
        problems: vec![],
    }
}

/// What one host plans, again and again.
struct Host {
    site: Site,
    allocators: Allocators,
    planner: Planner,
    plan: Plan,
}

impl Host {
    /// With source addresses of both families.
    fn new(backend_slots: u32) -> Self {
        let defaults = Defaults::new(Policy::new(TIMEOUTS), &Options::default());
        Self {
            site: Site {
                own: BTreeSet::from([IpAddr::from([10, 99, 0, 3])]),
                mode: Mode::Nat,
                ipv4: EVERYTHING,
                ipv6: EVERYTHING,
            },
            allocators: Allocators {
                ipv4: Allocator::new("11.0.0.0/8".parse().expect("a pool")),
                ipv6: Allocator::new("fd01:c::/64".parse().expect("a pool")),
            },
            planner: Planner::new(defaults, backend_slots),
            plan: Plan::default(),
        }
    }

    fn plan(&mut self, desired: &Snapshot) -> &Plan {
        let resolved = resolve(desired, &self.site, &mut self.allocators);
        self.plan = self.planner.plan(resolved, &self.plan);
        &self.plan
    }
}

const WEB: &[(&str, u16)] = &[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)];

#[test]
fn a_named_service_gets_its_dcos_address_and_its_name() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[(key(named("my-service.marathon"), 5555), WEB)]));
    let address = IpAddr::from([11, 134, 216, 93]);
    assert_eq!(
        plan.names,
        BTreeMap::from([("my-service.marathon".to_owned(), vec![address])])
    );
    let table = plan.table();
    let service = table
        .lookup((address, 5555).into(), Protocol::Tcp)
        .expect("it is in the table");
    assert_eq!(service.backends().len(), 2);
    assert_eq!(plan.problems, []);
}

#[test]
fn unchanged_services_keep_their_maglev_table() {
    let mut host = Host::new(8);
    let (a, b) = (key(named("a.m"), 80), key(named("b.m"), 80));
    let first = host
        .plan(&snapshot(&[(a.clone(), WEB), (b.clone(), WEB)]))
        .clone();
    let second = host.plan(&snapshot(&[(a, WEB), (b, &WEB[..1])])).clone();
    let same: Vec<_> = first
        .services
        .iter()
        .map(|(listener, service)| {
            let after = &second.services[listener];
            (
                service.name.clone().expect("named"),
                Arc::ptr_eq(&service.service, &after.service),
            )
        })
        .collect();
    assert!(same.contains(&("a.m".to_owned(), true)) && same.contains(&("b.m".to_owned(), false)));
}

#[test]
fn backends_keep_their_slots_while_others_come_and_go() {
    let mut host = Host::new(3);
    let web = key(named("a.m"), 80);
    let slots = |plan: &Plan| -> Vec<(SocketAddr, u32, u16)> {
        let services = plan.services.values();
        services
            .flat_map(|s| s.service.backends().to_vec())
            .map(|b| (b.address, b.slot.0, b.epoch.0))
            .collect()
    };
    let at = |text: &str| text.parse::<SocketAddr>().expect("a socket address");
    let both = slots(host.plan(&snapshot(&[(web.clone(), WEB)])));
    assert_eq!(both, [(at("10.0.0.1:80"), 0, 0), (at("10.0.0.2:80"), 1, 0)]);
    let moved = [("10.0.0.2:80", 1), ("10.0.0.3:80", 1), ("10.0.0.4:80", 1)];
    let after = slots(host.plan(&snapshot(&[(web, &moved)])));
    assert_eq!(
        after,
        [
            (at("10.0.0.2:80"), 1, 0),
            (at("10.0.0.3:80"), 2, 0),
            (at("10.0.0.4:80"), 0, 1)
        ]
    );
}

#[test]
fn a_name_without_backends_is_not_published() {
    let mut host = Host::new(8);
    let plan = host.plan(&snapshot(&[
        (key(named("a.m"), 80), &[]),
        (key(named("b.m"), 80), &[("10.0.0.1:1", 0)]),
    ]));
    assert_eq!(plan.names.keys().collect::<Vec<_>>(), ["b.m"]);
    assert_eq!(plan.services.len(), 2);
}

#[test]
fn addresses_that_cannot_be_vips_are_refused_one_by_one() {
    let vip = |text: &str| Vip::Address(text.parse().expect("an address"));
    let mut host = Host::new(8);
    let services = [
        vip("10.99.0.3"),
        vip("224.0.0.1"),
        vip("fe80::1"),
        vip("192.0.2.1"),
    ];
    let services = services.map(|vip| (key(vip, 80), WEB));
    let plan = host.plan(&snapshot(&services));
    assert_eq!(plan.services.len(), 1);
    let reasons: Vec<_> = plan
        .problems
        .iter()
        .map(|p| (p.subject.as_str(), p.reason.as_str()))
        .collect();
    assert_eq!(reasons.len(), 3);
    assert!(
        reasons
            .iter()
            .any(|(s, r)| *s == "10.99.0.3:80/tcp" && r.contains("this host's")),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|(s, r)| *s == "224.0.0.1:80/tcp" && r.contains("unicast")),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|(s, r)| *s == "[fe80::1]:80/tcp" && r.contains("unicast")),
        "{reasons:?}"
    );
}

#[test]
fn too_many_backends_refuse_that_service_only() {
    let mut host = Host::new(2);
    let plan = host.plan(&snapshot(&[
        (key(named("a.m"), 80), WEB),
        (key(named("a.m"), 81), WEB),
    ]));
    assert_eq!((plan.services.len(), plan.problems.len()), (1, 1));
    assert!(plan.problems[0].reason.contains("no backend slot is left"));
}

#[test]
fn sources_add_up_whatever_their_order() {
    let web = key(named("a.m"), 80);
    let one = Arc::new(snapshot(&[(
        web.clone(),
        &[("10.0.0.1:80", 1), ("10.0.0.2:80", 3)],
    )]));
    let two = Arc::new(snapshot(&[(
        web.clone(),
        &[("10.0.0.2:80", 1), ("10.0.0.3:80", 1)],
    )]));
    let merged = merge(&[("file", Arc::clone(&one)), ("marathon", Arc::clone(&two))]);
    assert_eq!(merged, merge(&[("marathon", two), ("file", one)]));
    let weights: Vec<_> = merged.services[&web]
        .backends
        .values()
        .map(|backend| backend.weight)
        .collect();
    assert_eq!(weights, [1, 3, 1]);
    assert_eq!(merged.problems.len(), 1);
    assert!(
        merged.problems[0].reason.contains("weight 3")
            && merged.problems[0].reason.contains("(marathon)")
    );
}
