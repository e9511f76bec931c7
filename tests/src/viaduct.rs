//! Viaduct as a process in the fabric's namespace, and the three ways to look into it: probes and
//! metrics over HTTP, and its own command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use crate::attachment::TAP;
use crate::eventually::{eventually, expect};
use crate::fabric::Fabric;
use crate::metrics::Metrics;
use crate::namespace::Namespace;
use crate::process::{Background, describe};
use crate::programs;
use crate::settings::Settings;

const HTTP: &str = "http://127.0.0.1:9100";

/// How long Viaduct may take to end on SIGTERM: the bound that users are promised.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// A service as `viaduct vips -o json` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Full DNS name of a named VIP.
    #[serde(default)]
    pub name: Option<String>,
    /// Address of the VIP.
    pub address: String,
    /// Port of the VIP.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its backends.
    pub backends: Vec<Backend>,
}

/// A backend of a service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Backend {
    /// `address:port`.
    pub address: String,
    /// Share of new flows.
    pub weight: u16,
    /// Flows made since it appeared.
    pub flows_total: u64,
    /// Flows that exist now.
    pub flows_active: u64,
}

/// A label that was skipped, as `viaduct vips --problems -o json` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// Who reported it.
    pub source: String,
    /// App or entry.
    pub subject: String,
    /// The label as written.
    pub label: String,
    /// What is wrong.
    pub reason: String,
}

/// A running Viaduct. It ends when it is dropped.
#[derive(Debug)]
pub struct Viaduct {
    namespace: Namespace,
    socket: PathBuf,
    process: Background,
}

impl Viaduct {
    /// Starts Viaduct and waits until it is ready.
    ///
    /// # Panics
    /// It ends, or is not ready in time.
    #[must_use]
    pub fn start(fabric: &Fabric, settings: Settings) -> Self {
        let mut viaduct = Self::spawn(fabric, settings);
        viaduct.wait_until_ready();
        viaduct
    }

    /// Starts Viaduct without waiting.
    #[must_use]
    pub fn spawn(fabric: &Fabric, settings: Settings) -> Self {
        let socket = fabric.scratch().join("api.sock");
        let settings = fabric.attachment().apply(settings);
        let settings = settings.set("api.socket", socket.display().to_string());
        let file = fabric.scratch().join("viaduct.toml");
        std::fs::write(&file, settings.text()).expect("the scratch folder is writable");
        let mut command = fabric.namespace.command(programs::viaduct());
        command
            .args(["run", "--config"])
            .arg(&file)
            .env("NO_COLOR", "1");
        let process = Background::start("viaduct", command, &fabric.logs());
        Self {
            namespace: fabric.namespace.clone(),
            socket,
            process,
        }
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Panics
    /// It ends, or is not ready in time.
    pub fn wait_until_ready(&mut self) {
        eventually("Viaduct to be ready", || {
            if let Err(reason) = self.process.check_alive() {
                panic!("{reason}");
            }
            self.namespace.get(&format!("{HTTP}/readyz")).map(drop)
        });
    }

    /// Body of `/readyz?verbose`, whatever its status.
    #[must_use]
    pub fn readiness(&self) -> String {
        let url = format!("{HTTP}/readyz?verbose");
        self.namespace.run(["curl", "-sS", "-m", "5", &url])
    }

    /// One scrape of `/metrics`.
    ///
    /// # Panics
    /// There is no answer, or it is not in the text format.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let text = self.namespace.get(&format!("{HTTP}/metrics"));
        let text = text.unwrap_or_else(|reason| panic!("no metrics: {reason}"));
        Metrics::parse(&text).unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Value of a metric, see [`Metrics::value`]; 0 if there is none yet.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().value(name, labels).unwrap_or(0.0)
    }

    /// What `viaduct <words>` prints and how it ends; it is told the socket.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Output {
        crate::process::output(&mut self.cli_command(words))
    }

    /// The command that runs `viaduct <words>`; it is told the socket.
    #[must_use]
    pub fn cli_command(&self, words: &[&str]) -> Command {
        let mut command = self.namespace.command(programs::viaduct());
        command
            .args(words)
            .arg("--socket")
            .arg(&self.socket)
            .env("NO_COLOR", "1");
        command
    }

    fn list<T: for<'a> Deserialize<'a>>(&self, words: &[&str]) -> Result<Vec<T>, String> {
        let output = self.cli(words);
        let items = serde_json::from_slice(&output.stdout);
        items.map_err(|error| format!("{words:?}: {error}: {}", describe(&output)))
    }

    /// The services that it forwards.
    ///
    /// # Errors
    /// The command line gives no list.
    pub fn services(&self) -> Result<Vec<Service>, String> {
        self.list(&["vips", "-o", "json"])
    }

    /// The labels that it skipped.
    ///
    /// # Panics
    /// The command line gives no list.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.list(&["vips", "--problems", "-o", "json"])
            .unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Waits until the service with this port and this protocol has so many backends that take new
    /// flows, and returns it.
    ///
    /// # Panics
    /// It has not in time.
    pub fn wait_for_backends(&self, protocol: &str, port: u16, count: usize) -> Service {
        eventually(
            &format!("{count} backends of port {port}/{protocol}"),
            || {
                let services = self.services()?;
                let mut found = services
                    .iter()
                    .filter(|s| s.port == port && s.protocol == protocol);
                let service = found
                    .next()
                    .ok_or_else(|| format!("no such service: {services:?}"))?;
                let ready = service
                    .backends
                    .iter()
                    .filter(|backend| backend.weight > 0)
                    .count();
                expect(ready == count, || format!("{service:?}"))?;
                Ok(service.clone())
            },
        )
    }

    /// Waits until the service at this address has so many backends that take new flows, and
    /// returns it.
    ///
    /// # Panics
    /// It has not in time.
    pub fn wait_for_service(&self, at: SocketAddr, protocol: &str, count: usize) -> Service {
        let (address, port) = (at.ip().to_string(), at.port());
        let is_it = |s: &&Service| s.address == address && s.port == port && s.protocol == protocol;
        eventually(&format!("{count} backends of {at}/{protocol}"), || {
            let services = self.services()?;
            let service = services.iter().find(is_it);
            let service = service.ok_or_else(|| format!("no such service: {services:?}"))?;
            let ready = service.backends.iter().filter(|b| b.weight > 0).count();
            expect(ready == count, || format!("{service:?}"))?;
            Ok(service.clone())
        })
    }

    /// Waits until this backend of the service at `at` takes new flows.
    ///
    /// # Panics
    /// It does not in time.
    pub fn wait_for_backend(&self, at: SocketAddr, protocol: &str, backend: SocketAddr) {
        let (address, port, backend) = (at.ip().to_string(), at.port(), backend.to_string());
        eventually(&format!("backend {backend} of {at}/{protocol}"), || {
            let services = self.services()?;
            let found = services.iter().any(|s| {
                let is_it = s.address == address && s.port == port && s.protocol == protocol;
                is_it
                    && s.backends
                        .iter()
                        .any(|b| b.address == backend && b.weight > 0)
            });
            expect(found, || format!("{services:?}"))
        });
    }

    /// Flows that the backends of the service at this address have now.
    ///
    /// # Panics
    /// There is no such service, or no list.
    #[must_use]
    pub fn active_flows(&self, at: SocketAddr, protocol: &str) -> u64 {
        let services = self.services().unwrap_or_else(|reason| panic!("{reason}"));
        let address = at.ip().to_string();
        let service = services
            .iter()
            .find(|s| s.address == address && s.port == at.port() && s.protocol == protocol);
        let service = service.unwrap_or_else(|| panic!("no {at}/{protocol}: {services:?}"));
        service.backends.iter().map(|b| b.flows_active).sum()
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where its API socket is.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a signal, e.g. `TERM`, without waiting.
    pub fn signal(&mut self, signal: &str) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// It does not end in 2 s, or not with exit code 0.
    pub fn stop(&mut self) {
        let start = Instant::now();
        self.process.signal("TERM");
        let status = self.process.wait(STOP_WITHIN);
        let status = status.unwrap_or_else(|| panic!("still there after {STOP_WITHIN:?}"));
        assert_eq!(
            status.code(),
            Some(0),
            "after {:?}: {}",
            start.elapsed(),
            self.log()
        );
    }
}
