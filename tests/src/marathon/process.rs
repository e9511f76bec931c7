//! The stand-in as a process in the fabric's namespace, driven by a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::eventually::{eventually, expect};
use crate::fabric::{FABRIC, Fabric};
use crate::namespace::Namespace;
use crate::process::Background;
use crate::programs;

use super::fault::{Fault, Mode};
use super::scenario::Scenario;

/// Where Marathon's API is.
const PORT: u16 = 8080;
/// Where its control endpoint is.
const CONTROL_PORT: u16 = 8081;

/// A running stand-in at 10.99.0.1:8080. It ends when it is dropped.
#[derive(Debug)]
pub struct Marathon {
    /// What it runs now.
    pub scenario: Scenario,
    file: PathBuf,
    namespace: Namespace,
    process: Background,
}

impl Marathon {
    /// Starts the stand-in and waits until it listens.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, scenario: Scenario) -> Self {
        let file = fabric.scratch().join("scenario.toml");
        scenario
            .save(&file)
            .expect("the scratch folder is writable");
        let namespace = fabric.namespace.clone();
        let mut command = namespace.command(programs::own("marathon-standin"));
        command.arg("--scenario").arg(&file);
        command.args(["--listen", &format!("{FABRIC}:{PORT}")]);
        command.args(["--control", &format!("127.0.0.1:{CONTROL_PORT}")]);
        let process = Background::start("marathon", command, &fabric.logs());
        let mut marathon = Self {
            scenario,
            file,
            namespace,
            process,
        };
        marathon.wait_until_it_listens(true);
        marathon
    }

    fn wait_until_it_listens(&mut self, wanted: bool) {
        eventually("Marathon", || {
            self.process.check_alive()?;
            let listens = self.namespace.is_listening("tcp", PORT);
            expect(listens == wanted, || {
                format!("port {PORT} is not as wanted")
            })
        });
    }

    /// Its URL, for Viaduct's configuration.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{FABRIC}:{PORT}")
    }

    /// Changes what it runs; it tells its event streams.
    ///
    /// # Panics
    /// The scenario file cannot be written.
    pub fn update(&mut self, change: impl FnOnce(&mut Scenario)) {
        change(&mut self.scenario);
        self.scenario
            .save(&self.file)
            .expect("the scratch folder is writable");
    }

    /// Fails in this way from now on; returns when it does.
    ///
    /// # Panics
    /// The stand-in does not answer.
    pub fn fail(&mut self, mode: Mode) {
        let fault = serde_json::to_string(&Fault::of(mode)).expect("a fault is JSON");
        let url = format!("http://127.0.0.1:{CONTROL_PORT}/control/fault");
        self.namespace.run([
            "curl",
            "-sSf",
            "-X",
            "PUT",
            "-H",
            "Content-Type: application/json",
            "-d",
            &fault,
            &url,
        ]);
        self.wait_until_it_listens(mode != Mode::Down);
    }

    /// Requests by path since it started.
    ///
    /// # Panics
    /// The stand-in does not answer.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        let url = format!("http://127.0.0.1:{CONTROL_PORT}/control/requests");
        let text = self
            .namespace
            .get(&url)
            .unwrap_or_else(|reason| panic!("{reason}"));
        serde_json::from_str(&text).expect("the stand-in answers with JSON")
    }
}
