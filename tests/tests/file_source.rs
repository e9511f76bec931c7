//! Services from a file: a named VIP and an address, changes while running, a broken file.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: web.static:80, 192.0.2.10:8080 ──┬── agent1 (nginx)
//!                        └── services.toml                      └── agent2 (nginx)
//! ```
#![allow(clippy::unwrap_used)]

use std::path::Path;

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{Fabric, Host, VIADUCT};
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::load;
use viaduct_tests::settings::Settings;
use viaduct_tests::viaduct::Viaduct;

fn write_services(file: &Path, backends: &[&Host]) {
    let list: Vec<String> = backends
        .iter()
        .map(|h| format!("\"{}:31001\"", h.address))
        .collect();
    let list = list.join(", ");
    let text = format!(
        "[[service]]\nname = \"web\"\nport = 80\nbackends = [{list}]\n\
         [[service]]\naddress = \"192.0.2.10\"\nport = 8080\nbackends = [{list}]\n"
    );
    let draft = file.with_extension("new");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(&draft, file).unwrap();
}

#[test]
fn a_file_names_services_and_may_change_or_break() {
    let fabric = Fabric::new(1, 2);
    let (client, one, two) = (&fabric.clients[0], &fabric.agents[0], &fabric.agents[1]);
    client
        .namespace
        .ip(&format!("route add 192.0.2.10/32 via {VIADUCT}"));
    let _one = Nginx::start(&fabric, one, 31001);
    let _two = Nginx::start(&fabric, two, 31001);
    let file = fabric.scratch().join("services.toml");
    write_services(&file, &[one]);
    let viaduct = Viaduct::start(&fabric, Settings::default().file(&file));

    let knock = |target: &str, responders: usize| {
        let words = format!("--target {target} --one-shot --connections 4 --requests 20");
        let report = load(client, &words);
        assert_eq!(
            (report.sums.ok, report.sums.failed()),
            (80, 0),
            "{target}: {report}"
        );
        assert_eq!(
            report.sums.responders.len(),
            responders,
            "{target}: {report}"
        );
    };
    let named = viaduct.wait_for_backends("tcp", 80, 1);
    assert_eq!(
        named.name.as_deref(),
        Some("web.static.l4lb.thisdcos.directory")
    );
    let named = format!("{}:80", named.address);
    knock(&named, 1);
    knock("192.0.2.10:8080", 1);

    write_services(&file, &[one, two]);
    viaduct.wait_for_backends("tcp", 80, 2);
    viaduct.wait_for_backends("tcp", 8080, 2);
    knock(&named, 2);
    knock("192.0.2.10:8080", 2);

    std::fs::write(&file, "[[service]]\nport = \"none\"\n").unwrap();
    eventually("the broken file to be reported", || {
        let up = viaduct
            .metrics()
            .value("viaduct_source_up", &[("source", "file")]);
        expect(up == Some(0.0), || format!("viaduct_source_up is {up:?}"))
    });
    knock(&named, 2);
}
