//! Attaching the kernel side of a TAP port, in network namespaces of the tests' own.
//!
//! ```text
//!   namespace viaduct-link-<pid>-<test>
//!   ┌───────────────────────────────┐
//!   │  dtap0 (TAP)      br0 (bridge)│   plain0 (another TAP: not a bridge)
//!   └───────────────────────────────┘
//! ```
//! Each test makes its namespace, and runs itself again inside it; the second run does what is
//! tested and looks at the result. That needs root: without it the tests fail, they do not skip.

use std::process::{Command, Stdio};

use control::host::{LinkError, attach_tap};

/// Set in the second run.
const INSIDE: &str = "VIADUCT_LINK_TEST_INSIDE";
const MAC: [u8; 6] = [0x02, 0, 0, 0xab, 0xcd, 0xef];

/// A network namespace, deleted when dropped.
struct Namespace(String);

impl Namespace {
    fn new(test: &str) -> Self {
        let name = format!("viaduct-link-{}-{test}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        namespace.ip(&["tuntap", "add", "dtap0", "mode", "tap"]);
        namespace.ip(&["link", "add", "br0", "type", "bridge"]);
        namespace.ip(&["tuntap", "add", "plain0", "mode", "tap"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.0], arguments].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Also while panicking, so nothing here may panic.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .expect("iproute2 is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = arguments.join(" ");
    assert!(
        output.status.success(),
        "`ip {line}` failed; these tests need root: {errors}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// In the first run, starts the second with `prefix` in front of its command line, and expects
/// it to pass. In the second run, does `inner`.
fn inside(test: &str, prefix: &[&str], inner: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return inner();
    }
    let namespace = Namespace::new(test);
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace.0])
        .args(prefix)
        .arg(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("iproute2 is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "inside the namespace:\n{text}{errors}"
    );
    assert!(
        text.contains("1 passed"),
        "the test did not run inside the namespace:\n{text}"
    );
}

fn attach(interface: &str, bridge: Option<&str>) -> Result<(), LinkError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(attach_tap(interface, MAC, bridge))
}

#[track_caller]
fn assert_attached(master: Option<&str>) {
    let link = ip(&["-o", "link", "show", "dtap0"]);
    assert!(link.contains("link/ether 02:00:00:ab:cd:ef"), "{link}");
    assert!(link.contains(",UP") || link.contains("<UP"), "{link}");
    match master {
        Some(name) => assert!(link.contains(&format!("master {name} ")), "{link}"),
        None => assert!(!link.contains("master"), "{link}"),
    }
    let path = "/proc/sys/net/ipv6/conf/dtap0/disable_ipv6";
    if let Ok(disabled) = std::fs::read_to_string(path) {
        assert_eq!(disabled.trim(), "1");
    }
}

#[test]
fn joins_the_bridge_with_its_own_address() {
    inside("joins_the_bridge_with_its_own_address", &[], || {
        attach("dtap0", Some("br0")).expect("attaches");
        assert_attached(Some("br0"));
    });
}

#[test]
fn can_be_repeated() {
    inside("can_be_repeated", &[], || {
        attach("dtap0", Some("br0")).expect("attaches");
        attach("dtap0", Some("br0")).expect("attaches again");
        assert_attached(Some("br0"));
    });
}

#[test]
fn needs_no_bridge() {
    inside("needs_no_bridge", &[], || {
        attach("dtap0", None).expect("attaches");
        assert_attached(None);
    });
}

#[test]
fn names_a_missing_interface() {
    inside("names_a_missing_interface", &[], || {
        let error = attach("dtap9", Some("br0")).expect_err("no such interface");
        assert!(matches!(error, LinkError::NoInterface(_)), "{error:?}");
        assert!(error.to_string().contains("`dtap9`"), "{error}");
    });
}

#[test]
fn names_a_missing_bridge_and_changes_nothing() {
    inside("names_a_missing_bridge_and_changes_nothing", &[], || {
        let before = ip(&["-o", "link", "show", "dtap0"]);
        let error = attach("dtap0", Some("br9")).expect_err("no such bridge");
        assert!(matches!(error, LinkError::NoBridge { .. }), "{error:?}");
        assert!(
            error.to_string().contains("ip link add br9 type bridge"),
            "{error}"
        );
        assert_eq!(ip(&["-o", "link", "show", "dtap0"]), before);
    });
}

#[test]
fn refuses_to_join_what_is_no_bridge() {
    inside("refuses_to_join_what_is_no_bridge", &[], || {
        let error = attach("dtap0", Some("plain0")).expect_err("not a bridge");
        assert!(matches!(error, LinkError::NotABridge { .. }), "{error:?}");
    });
}

#[test]
fn says_which_capability_is_missing() {
    let without = [
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
    ];
    inside("says_which_capability_is_missing", &without, || {
        let error = attach("dtap0", Some("br0")).expect_err("not allowed");
        assert!(matches!(error, LinkError::Permission { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("`dtap0`: this needs CAP_NET_ADMIN"),
            "{error}"
        );
    });
}
