//! A broken configuration: exit code 3, file, line and caret, and nothing is started.
//!
//! ```text
//!   fabric namespace: br0, and no dtap0
//! ```
#![allow(clippy::unwrap_used)]

use viaduct_tests::attachment::TAP;
use viaduct_tests::fabric::Fabric;
use viaduct_tests::process::describe;

use viaduct_tests::{process, programs};

/// A good file; every case replaces a part of it.
const GOOD: &str = r#"[workers]
cores = [0]
[[ports]]
name = "fabric"
driver = "tap"
interface = "dtap0"
bridge = "br0"
address = "10.99.0.2/24"
[nat]
addresses = ["10.99.0.3"]
[vips]
pool = "11.0.0.0-11.255.255.255"
[sources.marathon]
urls = ["http://10.99.0.1:8080"]
timeout = "30s"
[dns]
listen = ["10.99.0.1:53"]
"#;

/// What is replaced, by what, and the line that is wrong then.
const CASES: [(&str, &str, usize); 13] = [
    ("[workers]", "[workers", 1),
    ("cores = [0]", "coers = [0]", 2),
    ("cores = [0]", "cores = []", 2),
    ("cores = [0]", "cores = [4096]", 2),
    ("\"tap\"", "\"tpa\"", 5),
    ("\"dtap0\"", "\"a-name-of-16-byt\"", 6),
    ("\"10.99.0.2/24\"", "\"10.99.0.2\"", 8),
    ("\"10.99.0.3\"", "\"10.99.0.300\"", 10),
    ("\"10.99.0.3\"", "\"10.99.0.2\"", 10),
    (
        "\"11.0.0.0-11.255.255.255\"",
        "\"11.255.255.255-11.0.0.0\"",
        12,
    ),
    ("\"http://10.99.0.1:8080\"", "\"ftp://10.99.0.1\"", 14),
    ("\"30s\"", "\"30\"", 15),
    ("\"10.99.0.1:53\"", "\"10.99.0.1\"", 17),
];

#[test]
fn every_mistake_has_its_place_and_starts_nothing() {
    let fabric = Fabric::new(0, 0);
    let file = fabric.scratch().join("broken.toml");
    let name = file.display().to_string();
    for (good, bad, line) in CASES {
        assert!(GOOD.contains(good), "{good}");
        std::fs::write(&file, GOOD.replacen(good, bad, 1)).unwrap();
        for words in [&["run", "--config", &name][..], &["config", "check", &name]] {
            // One that starts in spite of the mistake must not keep the test waiting.
            let mut command = fabric.namespace.command("timeout");
            command.arg("20").arg(programs::viaduct());
            let output = process::output(command.args(words).env("NO_COLOR", "1"));
            let all = format!("{bad}: {words:?}: {}", describe(&output));
            assert_eq!(output.status.code(), Some(3), "{all}");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                errors.contains(&format!("broken.toml:{line}:")),
                "line {line}: {all}"
            );
            assert!(errors.contains('^'), "no caret: {all}");
        }
        assert!(!fabric.namespace.has_interface(TAP), "{bad} made a TAP");
    }
    std::fs::write(&file, GOOD).unwrap();
    let mut command = fabric.namespace.command(programs::viaduct());
    process::run(command.args(["config", "check", &name]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let fabric = Fabric::new(0, 0);
    let mut command = fabric.namespace.command(programs::viaduct());
    let output = process::output(command.args(["run", "--config", "/nowhere/viaduct.toml"]));
    assert_eq!(output.status.code(), Some(3), "{}", describe(&output));
    assert!(describe(&output).contains("/nowhere/viaduct.toml"));
}
