//! The harness leaves nothing: not when a scenario ends, and not when its process is killed.
//!
//! ```text
//!   client1 ── br0 ── agent1 (nginx)
//! ```
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::process;

fn namespaces() -> String {
    process::run(Command::new("ip").args(["netns", "list"]))
}

#[test]
fn nothing_is_left_behind() {
    let fabric = Fabric::new(2, 1);
    let nginx = Nginx::start(&fabric, &fabric.agents[0], 31001);
    let (name, scratch) = (
        fabric.namespace.name().to_owned(),
        fabric.scratch().to_owned(),
    );
    let prefix = name.strip_suffix("fabric").unwrap().to_owned();
    assert_eq!(namespaces().matches(&prefix).count(), 4);
    // A process that nobody ends goes with its namespace.
    let mut stray = fabric
        .namespace
        .command("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    drop(nginx);
    drop(fabric);
    assert!(!namespaces().contains(&prefix), "{}", namespaces());
    assert!(!scratch.exists());
    assert!(!stray.wait().unwrap().success());
}

#[test]
fn a_test_process_that_is_killed_leaves_nothing_either() {
    let inner = std::env::var_os("VIADUCT_TEST_INNER");
    if let Some(file) = inner {
        let fabric = Fabric::new(1, 1);
        let _nginx = Nginx::start(&fabric, &fabric.agents[0], 31001);
        std::fs::write(file, fabric.namespace.name()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("namespace");
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_test_process_that_is_killed_leaves_nothing_either",
        ])
        .env("VIADUCT_TEST_INNER", &file)
        .spawn()
        .unwrap();
    let name = eventually("the inner test", || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    });
    let scratch = std::env::temp_dir().join(name.replace("fabric", "scratch"));
    assert!(namespaces().contains(&name) && Path::new(&scratch).exists());
    inner.kill().unwrap();
    inner.wait().unwrap();
    eventually("the guardian", || {
        let left = namespaces().contains(name.trim_end_matches("fabric")) || scratch.exists();
        expect(!left, namespaces)
    });
}
