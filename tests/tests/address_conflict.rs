//! Another station on the segment has Viaduct's address.
//!
//! ```text
//!   client1 ───── bridge ───── Viaduct 10.99.0.2: web.static:80
//!   10.99.0.2 too
//! ```
#![allow(clippy::unwrap_used)]

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{FABRIC, Fabric, VIADUCT};
use viaduct_tests::settings::Settings;
use viaduct_tests::viaduct::Viaduct;

const SERVICES: &str = "[[service]]\nname = \"web\"\nport = 80\nbackends = [\"10.99.0.11:80\"]\n";

fn start(fabric: &Fabric) -> Viaduct {
    let file = fabric.scratch().join("services.toml");
    std::fs::write(&file, SERVICES).unwrap();
    let mut viaduct = Viaduct::spawn(fabric, Settings::default().file(&file));
    viaduct.wait_until_ready();
    viaduct
}

/// The last client has Viaduct's address, too.
fn take_address(fabric: &Fabric) {
    let stranger = &fabric.clients.last().unwrap().namespace;
    stranger.ip(&format!("address add {VIADUCT}/24 dev eth0"));
}

/// The value of a metric of Viaduct's address.
fn own(viaduct: &Viaduct, metric: &str) -> f64 {
    let address = VIADUCT.to_string();
    let labels = [
        ("port", "fabric"),
        ("vlan", ""),
        ("address", address.as_str()),
    ];
    viaduct.metric(metric, &labels)
}

fn logged(viaduct: &Viaduct, words: &str) -> Result<(), String> {
    let log = viaduct.log();
    expect(log.contains(words), || log)
}

#[test]
fn an_address_that_somebody_has_already_is_reported_and_left_to_them() {
    let fabric = Fabric::new(1, 0);
    take_address(&fabric);
    let viaduct = start(&fabric);
    eventually("the duplicate to be known", || {
        let duplicate = own(&viaduct, "viaduct_address_duplicate");
        expect(duplicate > 0.5, || format!("{duplicate}"))
    });
    eventually("the log", || {
        logged(&viaduct, "another station has this address")
    });
}

#[test]
fn an_address_that_somebody_takes_later_is_reported() {
    let fabric = Fabric::new(1, 0);
    let viaduct = start(&fabric);
    take_address(&fabric);
    let stranger = &fabric.clients[0].namespace;
    let claim = ["ping", "-c", "1", "-W", "1", "-I"].map(str::to_owned);
    let claim = claim
        .into_iter()
        .chain([VIADUCT.to_string(), FABRIC.to_string()]);
    // Its question for the fabric's Ethernet address names the sender.
    let pinged = stranger.output(claim.collect::<Vec<_>>());
    // Whether there is an answer is the kernel's affair; that it has asked is ours.
    assert_ne!(pinged.status.code(), Some(2), "{pinged:?}");
    eventually("the conflict to be counted", || {
        let conflicts = own(&viaduct, "viaduct_address_conflicts_total");
        expect(conflicts > 0.5, || format!("{conflicts}"))
    });
    eventually("the log", || logged(&viaduct, "another station"));
}
