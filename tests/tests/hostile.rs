//! What a host does to a process: nobody reads its log, another instance wants the same interface.
//!
//! ```text
//!   Viaduct: web.static:80 ── services.toml
//! ```
#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use viaduct_tests::attachment::{Attachment, TAP};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::process::Background;
use viaduct_tests::programs;
use viaduct_tests::settings::Settings;
use viaduct_tests::viaduct::Viaduct;

const SERVICES: &str = "[[service]]\nname = \"web\"\nport = 80\nbackends = [\"10.99.0.11:80\"]\n";

fn settings(fabric: &Fabric) -> Settings {
    let file = fabric.scratch().join("services.toml");
    std::fs::write(&file, SERVICES).unwrap();
    let socket = fabric.scratch().join("api.sock");
    Settings::default()
        .file(&file)
        .set("api.socket", socket.display().to_string())
}

#[test]
fn a_log_that_nobody_reads_does_not_end_it() {
    let fabric = Fabric::new(0, 0);
    let file = fabric.scratch().join("viaduct.toml");
    std::fs::write(&file, settings(&fabric).text()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = fabric.namespace.command(programs::viaduct());
    command.args(["run", "--config"]).arg(&file);
    let mut child = command.stdin(Stdio::null()).stderr(writer).spawn().unwrap();
    eventually("Viaduct to be ready", || {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}");
        fabric.namespace.get("http://127.0.0.1:9100/readyz")
    });
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A request that is never finished keeps the API open for its grace; the workers end after it.
#[test]
fn names_go_before_the_workers() {
    const HOLD: &str = "import socket,time; s=socket.create_connection((\"127.0.0.1\",9100)); \
                        s.send(b\"GET /m\"); print(\"held\",flush=True); time.sleep(60)";
    let fabric = Fabric::with(Attachment::Tap, 0, 0);
    let mut viaduct = Viaduct::spawn(&fabric, settings(&fabric));
    viaduct.wait_until_ready();
    let mut command = fabric.namespace.command("python3");
    command.args(["-c", HOLD]);
    let holder = Background::start("holder", command, &fabric.logs());
    eventually("the request", || {
        expect(holder.log().contains("held"), || holder.log())
    });
    viaduct.signal("TERM");
    eventually("DNS to end", || {
        let there = fabric.namespace.is_listening("udp", 53);
        expect(!there, || "it listens".to_owned())
    });
    assert!(
        fabric.namespace.has_interface(TAP),
        "the workers ended before DNS did"
    );
    viaduct.stop();
}

#[test]
fn a_second_instance_does_not_take_the_interface_of_the_first() {
    let fabric = Fabric::with(Attachment::Tap, 0, 0);
    let first = Viaduct::start(&fabric, settings(&fabric));
    let socket = fabric.scratch().join("second.sock");
    let second = settings(&fabric)
        .set("api.socket", socket.display().to_string())
        .set("api.http", "127.0.0.1:9101")
        .set("dns.listen", vec!["10.99.0.1:54"]);
    let file = fabric.scratch().join("second.toml");
    std::fs::write(&file, second.text()).unwrap();
    let mut command = fabric.namespace.command(programs::viaduct());
    command.args(["run", "--config"]).arg(&file);
    let mut process = Background::start("second", command, &fabric.logs());
    let status = eventually("the second to end", || {
        process.exit_status().ok_or_else(|| process.log())
    });
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(&format!("interface `{TAP}` already")), "{log}");
    assert!(!socket.exists(), "it left its socket");
    assert!(first.readiness().contains("ready"));
    assert!(fabric.namespace.has_interface(TAP));
}
