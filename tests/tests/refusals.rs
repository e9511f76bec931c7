//! What a client sees of a service without a backend, and of a port that is no service: a reset, an
//! ICMP error or nothing, as it is configured.
//!
//! ```text
//!   client1 ── Viaduct: 192.0.2.10: 81/tcp reset, 82/tcp,udp unreachable, 83/tcp drop
//! ```

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::load::Failure;
use viaduct_tests::peers::load;
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

const RESET: u16 = 81;
const UNREACHABLE: u16 = 82;
const DROP: u16 = 83;

/// ICMP errors of the "unreachable" kind that a host has received.
fn unreachables(host: &Host, family: Family) -> u64 {
    host.namespace.counter(match family {
        Family::V4 => "IcmpInDestUnreachs",
        Family::V6 => "Icmp6InDestUnreachs",
    })
}

/// How ten attempts fail, and whether an ICMP error came.
fn knock(host: &Host, protocol: &str, at: SocketAddr) -> (Vec<Failure>, bool) {
    let family = Family::of(at.ip());
    let before = unreachables(host, family);
    let words = format!("--protocol {protocol} --target {at} --one-shot --timeout 2s");
    let report = load(host, &format!("{words} --connections 5 --requests 2"));
    assert_eq!(report.sums.failed(), 10, "{protocol} {at}: {report}");
    let kinds = report.sums.errors.keys().copied().collect();
    (kinds, unreachables(host, family) > before)
}

#[test]
fn a_service_without_a_backend_refuses_as_it_is_told() {
    let fabric = Fabric::dual_stack(1, 0).with_vip_routes();
    let client = fabric.clients[0].clone();
    let entries: Vec<Entry> = Family::ALL
        .into_iter()
        .flat_map(|family| {
            [
                (RESET, "reset"),
                (UNREACHABLE, "unreachable"),
                (DROP, "drop"),
            ]
            .map(|(port, answer)| {
                Entry::new(vip(family), port, "udp,tcp").set("no_backend", answer)
            })
        })
        .collect();
    let scene = Scene::new(fabric, &entries);
    for family in Family::ALL {
        let at = |port| SocketAddr::from((vip(family), port));
        scene.wait(at(DROP), "tcp", 0);
        let told = vec![Failure::Refused];
        assert_eq!(
            knock(&client, "tcp", at(RESET)),
            (told.clone(), false),
            "{family}"
        );
        let (kinds, icmp) = knock(&client, "tcp", at(UNREACHABLE));
        let at_once = |kind: &Failure| matches!(kind, Failure::Refused | Failure::Unreachable);
        assert!(icmp && kinds.iter().all(at_once), "{family}: {kinds:?}");
        let silence = vec![Failure::ConnectTimeout];
        assert_eq!(
            knock(&client, "tcp", at(DROP)),
            (silence, false),
            "{family}"
        );
        // UDP knows no reset: the error is the same for both.
        for port in [RESET, UNREACHABLE] {
            let (kinds, icmp) = knock(&client, "udp", at(port));
            assert!(
                icmp && kinds.iter().all(at_once),
                "{family} {port}: {kinds:?}"
            );
        }
        let (kinds, icmp) = knock(&client, "udp", at(DROP));
        assert_eq!((kinds, icmp), (vec![Failure::Timeout], false), "{family}");
    }
}

#[test]
fn a_port_that_is_no_service_refuses_too() {
    let fabric = Fabric::dual_stack(1, 0).with_vip_routes();
    let client = fabric.clients[0].clone();
    let entries = Family::ALL.map(|family| Entry::new(vip(family), RESET, "tcp"));
    let scene = Scene::new(fabric, &entries);
    for family in Family::ALL {
        scene.wait((vip(family), RESET).into(), "tcp", 0);
        let nowhere = SocketAddr::from((vip(family), 9));
        let (kinds, _) = knock(&client, "tcp", nowhere);
        assert_eq!(kinds, [Failure::Refused], "{family}");
    }
}
