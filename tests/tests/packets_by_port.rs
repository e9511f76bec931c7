//! The packet suite through a real port: the same bytes in, the same bytes out, the same drops.
//!
//! ```text
//!   port.py (stations, packet socket) ── dtap0 ── Viaduct
//! ```
//! A case that leaves something behind has a Viaduct of its own; the others share one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::settings::Settings;
use viaduct_tests::viaduct::{TAP, Viaduct};

/// Keys of steps that a port and a process can follow. Time, queues and buffers are not theirs.
const PLAYABLE: [&str; 5] = ["frame", "out", "verdicts", "flows_made", "flows_ended"];

/// What services have in the suite, and by what key in a services file.
const KEYS: [(&str, &str); 9] = [
    ("protocol", "protocol"),
    ("mode", "mode"),
    ("backends", "backends"),
    ("refusal", "no_backend"),
    ("max_segment", "max_segment"),
    ("new_flows_per_second", "new_flows_per_second"),
    ("max_flows", "flows"),
    ("allow", "allow"),
    ("deny", "deny"),
];

/// Largest MTU that DPDK 22.11's TAP driver takes: it says that its longest frame has 1522 bytes.
const TAP_MTU: i64 = 1500;

#[derive(Deserialize)]
struct Suite {
    setup: BTreeMap<String, Setup>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Setup {
    workers: usize,
    flows: i64,
    gue_variant: Option<i64>,
    pool: Option<String>,
    snat: Vec<String>,
    snat_ports: String,
    port: Vec<Port>,
    service: Vec<Table>,
}

#[derive(Deserialize)]
struct Port {
    mtu: i64,
    ipv4: String,
    ipv4_gateway: Option<String>,
    ipv6: Option<String>,
    ipv6_gateway: Option<String>,
    vlan: Option<i64>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    setup: String,
    step: Vec<Table>,
}

impl Case {
    fn is_playable(&self, suite: &Suite) -> bool {
        let setup = &suite.setup[&self.setup];
        let steps = self.step.iter().flat_map(Table::keys);
        // The kernel sends no frame that is shorter than an Ethernet header.
        let short = |step: &Table| {
            let frame = step.get("frame").and_then(Value::as_str);
            frame.is_some_and(|frame| frame.len() < 2 * 14)
        };
        setup.workers == 1
            && setup.port.len() == 1
            && setup.port[0].vlan.is_none()
            && setup.port[0].ipv4_gateway.is_some()
            && setup.flows >= 64
            && setup.port[0].mtu <= TAP_MTU
            && steps
                .into_iter()
                .all(|key| PLAYABLE.contains(&key.as_str()))
            && !self.step.iter().any(short)
    }

    /// True if it leaves something behind: flows, or an address that is somebody else's.
    fn leaves_traces(&self) -> bool {
        let conflicts = self.drops().contains_key("address_conflict");
        conflicts || self.step.iter().any(|step| step.contains_key("flows_made"))
    }

    /// Packets dropped, by reason.
    fn drops(&self) -> BTreeMap<String, i64> {
        let mut drops = BTreeMap::new();
        let verdicts = self
            .step
            .iter()
            .filter_map(|step| step.get("verdicts")?.as_table());
        for (verdict, count) in verdicts.flatten() {
            if let Some(reason) = verdict.strip_prefix("drop ") {
                *drops.entry(reason.to_owned()).or_default() += count.as_integer().unwrap_or(0);
            }
        }
        drops
    }
}

fn path(subject: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packets/suite")
        .join(subject)
        .with_extension("toml")
}

/// A services file with the setup's services.
fn services(setup: &Setup) -> String {
    let mut document = Table::new();
    let service = |service: &Table| {
        let vip = service["vip"].as_str().expect("a service has a VIP");
        let (address, port) = vip.rsplit_once(':').expect("a VIP has a port");
        let mut entry = Table::new();
        let address = address.trim_matches(['[', ']']);
        entry.insert("address".into(), address.into());
        entry.insert("port".into(), port.parse::<i64>().expect("a port").into());
        for (key, name) in KEYS {
            if let Some(value) = service.get(key) {
                entry.insert(name.into(), value.clone());
            }
        }
        Value::Table(entry)
    };
    let services: Vec<Value> = setup.service.iter().map(service).collect();
    document.insert("service".into(), services.into());
    document.to_string()
}

/// A Viaduct as the setup has it, alone with its port.
fn start(fabric: &Fabric, setup: &Setup) -> Viaduct {
    let file = fabric.scratch().join("services.toml");
    std::fs::write(&file, services(setup)).expect("the scratch folder is writable");
    let port = &setup.port[0];
    let both = |ipv4: Option<&String>, ipv6: Option<&String>| -> Vec<String> {
        ipv4.into_iter().chain(ipv6).cloned().collect()
    };
    let addresses = both(Some(&port.ipv4), port.ipv6.as_ref());
    let gateways = both(port.ipv4_gateway.as_ref(), port.ipv6_gateway.as_ref());
    let mut settings = Settings::default()
        .without_bridge()
        .port(0, "address", addresses)
        .port(0, "gateway", gateways)
        .port(0, "mtu", port.mtu)
        .file(&file)
        .set("nat.addresses", setup.snat.clone())
        .set("nat.ports", setup.snat_ports.as_str());
    if let Some(variant) = setup.gue_variant {
        settings = settings.set("tunnels.gue_variant", variant);
    }
    if let Some(pool) = &setup.pool {
        settings = settings.set("vips.pool", pool.as_str());
    }
    let viaduct = Viaduct::start(fabric, settings);
    // Stations are the test's: the kernel is not to answer for its own addresses there.
    fabric
        .namespace
        .run(["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"]);
    fabric.namespace.ip(&format!("link set {TAP} up"));
    viaduct
}

/// Plays cases that have the same setup on one Viaduct.
fn play(subject: &str, setup: &Setup, cases: &[&Case]) {
    let fabric = Fabric::new(0, 0);
    let viaduct = start(&fabric, setup);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packets/port.py");
    let (script, suite) = (
        script.display().to_string(),
        path(subject).display().to_string(),
    );
    let mut words = vec!["python3", &script, TAP, &suite];
    words.extend(cases.iter().map(|case| case.name.as_str()));
    let output = fabric.namespace.output(words);
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{subject}:\n{said}{failed}");
    let mut drops: BTreeMap<String, i64> = BTreeMap::new();
    for (reason, count) in cases.iter().flat_map(|case| case.drops()) {
        *drops.entry(reason).or_default() += count;
    }
    for (reason, count) in drops {
        eventually(&reason, || {
            let counted = viaduct.metric("viaduct_drops_total", &[("reason", &reason)]);
            expect(counted == count as f64, || {
                format!("{counted} instead of {count}")
            })
        });
    }
}

/// Plays all cases of a subject that a port can play.
fn play_all(subject: &str) {
    play_some(subject, usize::MAX);
}

/// The same, but of those that need a Viaduct of their own so many for each setup.
fn play_some(subject: &str, alone: usize) {
    let text = std::fs::read_to_string(path(subject)).expect("the suite is in the source tree");
    let suite: Suite = toml::from_str(&text).expect("the suite is valid");
    let playable = || suite.case.iter().filter(|case| case.is_playable(&suite));
    for (name, setup) in &suite.setup {
        let here = || playable().filter(|case| case.setup == *name);
        let together: Vec<_> = here().filter(|case| !case.leaves_traces()).collect();
        if !together.is_empty() {
            play(subject, setup, &together);
        }
        for case in here().filter(|case| case.leaves_traces()).take(alone) {
            play(subject, setup, &[case]);
        }
    }
    assert!(playable().next().is_some(), "{subject} has nothing to play");
}

#[test]
fn nat() {
    play_all("nat");
}

#[test]
fn modes() {
    play_some("modes", 1);
}

#[test]
fn ipv6() {
    play_some("ipv6", 2);
}

#[test]
fn errors() {
    play_some("errors", 1);
}

#[test]
fn fragments() {
    play_some("fragments", 1);
}

#[test]
fn refusals() {
    play_all("refusals");
}

#[test]
fn protection() {
    play_some("protection", 1);
}

#[test]
fn options() {
    play_all("options");
}

#[test]
fn sizes() {
    play_all("sizes");
}

#[test]
fn arp() {
    play_all("arp");
}

#[test]
fn echo() {
    play_all("echo");
}

#[test]
fn drops() {
    play_all("drops");
}
