//! Commands, their outputs and exit codes.

use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::dns::ResponseCounters;
use crate::metrics::Metrics;
use crate::status::{BackendStatus, PolicyStatus, ProblemStatus, ServiceStatus, Status};

/// Exit code, standard output, standard error.
fn viaduct(arguments: &[&str]) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let line = ["viaduct"].iter().chain(arguments).map(OsString::from);
    let exit = run_with(line, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (exit, text(out), text(err))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_and_version_succeed_and_nonsense_is_wrong_usage() {
    let (exit, out, _) = viaduct(&["--version"]);
    assert_eq!(exit, Exit::Success);
    assert_eq!(out, format!("viaduct {}\n", env!("CARGO_PKG_VERSION")));
    let (exit, out, _) = viaduct(&["--help"]);
    assert_eq!(exit, Exit::Success);
    assert!(
        out.contains("vips") && out.contains("config") && out.contains("run"),
        "{out}"
    );
    for arguments in [
        &[][..],
        &["fly"],
        &["vips", "-o", "xml"],
        &["config"],
        &["run", "x"],
    ] {
        let (exit, out, err) = viaduct(arguments);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{arguments:?}");
        assert!(!err.is_empty());
    }
}

#[test]
fn arguments_after_two_dashes_are_for_eal() {
    let line = [
        "viaduct",
        "run",
        "-vv",
        "--config",
        "x.toml",
        "--",
        "-a",
        "0000:03:00.0",
    ];
    let cli = Cli::try_parse_from(line).expect("valid");
    assert_eq!(cli.verbose, 2);
    let Command::Run(run) = cli.command else {
        panic!("not run: {:?}", cli.command);
    };
    assert_eq!(run.config, Path::new("x.toml"));
    assert_eq!(run.eal_args, ["-a", "0000:03:00.0"]);
}

#[test]
fn paths_have_the_documented_defaults() {
    let parse = |line: &[&str]| Cli::try_parse_from(line).expect("valid").command;
    let Command::Run(run) = parse(&["viaduct", "run"]) else {
        panic!("not run")
    };
    assert_eq!(run.config, Path::new("/etc/viaduct/viaduct.toml"));
    let Command::Vips(vips) = parse(&["viaduct", "vips"]) else {
        panic!("not vips")
    };
    assert_eq!(vips.socket, Path::new("/run/viaduct/api.sock"));
}

fn file(text: &str) -> (TempDir, String) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("viaduct.toml");
    std::fs::write(&path, text).expect("writes");
    let path = path.to_str().expect("UTF-8").to_owned();
    (directory, path)
}

/// A file that every machine can use: its only CPU is 0, which gives a warning.
const USABLE: &str = r#"
workers = { cores = [0] }
nat = { addresses = ["10.99.0.3"] }
sources = { file = {} }
dns = { listen = ["10.99.0.1:53"] }
[[ports]]
name = "fabric"
driver = "tap"
interface = "dtap0"
address = "10.99.0.2/24"
"#;

#[test]
fn a_usable_configuration_is_one_line() {
    let (_directory, path) = file(USABLE);
    let (exit, out, err) = viaduct(&["config", "check", &path]);
    assert_eq!(exit, Exit::Success, "{err}");
    assert_eq!(out, format!("{path}: OK (1 worker, 1 port, source file)\n"));
    assert!(
        err.contains("the worker on CPU 0 shares it with the control thread"),
        "{err}"
    );
}

#[test]
fn a_broken_configuration_shows_every_error() {
    let (_directory, path) = file(
        &USABLE
            .replace("10.99.0.3", "10.99.0.2")
            .replace("\"dtap0\"", "\"\""),
    );
    let (exit, out, err) = viaduct(&["config", "check", &path]);
    assert_eq!((exit, out.as_str()), (Exit::Configuration, ""));
    assert!(
        err.contains("2 errors") && err.contains("viaduct.toml:3:"),
        "{err}"
    );
    assert!(
        err.contains("10.99.0.2 is already the address of the port"),
        "{err}"
    );
}

#[test]
fn nothing_runs_with_a_broken_or_missing_configuration() {
    let (_directory, path) = file("[workers]\ncoers = [1]\n");
    let (exit, _, err) = viaduct(&["run", "--config", &path]);
    assert_eq!(exit, Exit::Configuration);
    assert!(err.contains("did you mean `cores`?"), "{err}");
    let (exit, _, err) = viaduct(&["run", "--config", "/nonexistent/viaduct.toml"]);
    assert_eq!(exit, Exit::Configuration);
    assert!(err.contains("/nonexistent/viaduct.toml"), "{err}");
}

fn backend(address: &str, weight: u16, flows_active: u64, flows_total: u64) -> BackendStatus {
    BackendStatus {
        address: address.to_owned(),
        weight,
        origin: "web.1".to_owned(),
        flows_total,
        flows_active,
        packets_total: 0,
        bytes_total: 0,
    }
}

fn service(name: Option<&str>, address: &str, backends: Vec<BackendStatus>) -> ServiceStatus {
    ServiceStatus {
        name: name.map(str::to_owned),
        address: address.to_owned(),
        port: 80,
        protocol: "tcp".to_owned(),
        policy: PolicyStatus::default(),
        flows_total: 0,
        backends,
    }
}

fn status() -> Status {
    Status {
        generation: 1,
        services: vec![
            service(
                Some("web.marathon.l4lb.thisdcos.directory"),
                "11.0.0.7",
                vec![
                    backend("10.0.0.1:8080", 1, 5, 1234),
                    backend("10.0.0.12:8080", 20, 0, 7),
                ],
            ),
            ServiceStatus {
                policy: PolicyStatus {
                    mode: "ipip".to_owned(),
                    affinity: "source".to_owned(),
                    ..PolicyStatus::default()
                },
                ..service(None, "192.0.2.10", Vec::new())
            },
        ],
        problems: vec![ProblemStatus {
            source: "marathon".to_owned(),
            subject: "/shop/web".to_owned(),
            port_index: Some(0),
            label: "VIP_0=web".to_owned(),
            reason: "no port".to_owned(),
        }],
        ..Status::default()
    }
}

#[test]
fn services_are_a_table() {
    let text = vips::trimmed(&vips::vips_table(&status().services));
    let expected = "\
VIP                                   ADDRESS     PORT/PROTO  POLICY                BACKEND         WEIGHT  FLOWS ACTIVE  FLOWS TOTAL  ORIGIN
web.marathon.l4lb.thisdcos.directory  11.0.0.7    80/tcp      nat                   10.0.0.1:8080        1             5         1234  web.1
web.marathon.l4lb.thisdcos.directory  11.0.0.7    80/tcp      nat                   10.0.0.12:8080      20             0            7  web.1
-                                     192.0.2.10  80/tcp      ipip,affinity=source  -                    -             -            -  -";
    assert_eq!(text, expected);
}

#[test]
fn problems_are_a_table() {
    let text = vips::trimmed(&vips::problems_table(&status().problems));
    let expected = "\
SOURCE    SUBJECT    PORT  LABEL      REASON
marathon  /shop/web  0     VIP_0=web  no port";
    assert_eq!(text, expected);
}

/// The API with [`status`] on a socket, served by a thread of its own.
struct Api(CancellationToken, Option<std::thread::JoinHandle<()>>);

impl Api {
    fn start(socket: &Path) -> Self {
        let shutdown = CancellationToken::new();
        let (socket, token) = (socket.to_owned(), shutdown.clone());
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let (_sender, reader) = watch::channel(Arc::new(status()));
                let metrics = Metrics::new(reader.clone(), ResponseCounters::default());
                let http = "127.0.0.1:0".parse().expect("an address");
                let bound = crate::api::bind(&socket, http).await.expect("binds");
                ready.send(()).expect("the test waits");
                bound.serve(reader, metrics, token).await.expect("no panic");
            });
        });
        started.recv().expect("starts");
        Self(shutdown, Some(thread))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.0.cancel();
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn vips_asks_the_running_process() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("api.sock");
    let _api = Api::start(&socket);
    let socket = socket.to_str().expect("UTF-8");

    let (exit, out, err) = viaduct(&["vips", "--socket", socket]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    assert_eq!(
        out.trim_end(),
        vips::trimmed(&vips::vips_table(&status().services))
    );

    let (exit, out, _) = viaduct(&["vips", "-o", "json", "--socket", socket]);
    let services: Vec<ServiceStatus> = serde_json::from_str(&out).expect("JSON");
    assert_eq!((exit, services), (Exit::Success, status().services));

    let (exit, out, _) = viaduct(&["vips", "--problems", "--socket", socket]);
    assert_eq!(exit, Exit::Success);
    assert!(out.contains("VIP_0=web"), "{out}");
}

#[test]
fn an_unreachable_socket_is_named() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("api.sock");
    let path = socket.to_str().expect("UTF-8");
    let (exit, out, err) = viaduct(&["vips", "--socket", path]);
    assert_eq!((exit, out.as_str()), (Exit::ApiUnreachable, ""));
    assert!(
        err.contains(path) && err.contains("viaduct run") && err.contains("No such file"),
        "{err}"
    );

    drop(std::os::unix::net::UnixListener::bind(&socket).expect("binds"));
    let (exit, _, err) = viaduct(&["vips", "--socket", path]);
    assert_eq!(exit, Exit::ApiUnreachable);
    assert!(err.contains("Connection refused"), "{err}");
}

#[test]
fn exit_codes_are_as_documented() {
    let codes = [
        Exit::Success,
        Exit::Failure,
        Exit::Usage,
        Exit::Configuration,
        Exit::ApiUnreachable,
    ];
    assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 3, 4]);
}

/// Standard error whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_configuration_is_no_success_when_nobody_reads_why() {
    for words in [
        &["viaduct", "run", "--config", "/nonexistent/viaduct.toml"][..],
        &["viaduct", "config", "check", "/nonexistent/viaduct.toml"],
    ] {
        let words = words.iter().map(OsString::from);
        let exit = run_with(words, &mut Vec::new(), &mut Closed);
        assert_eq!(exit, Exit::Configuration);
    }
}
