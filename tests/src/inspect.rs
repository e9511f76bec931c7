//! What `viaduct trace` and `viaduct capture` give, for scenarios to look at.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::eventually::{eventually, expect};
use crate::fabric::Fabric;
use crate::process::{Background, describe, run};
use crate::viaduct::Viaduct;

/// A packet of a capture file, as a reader of our own in Python finds it.
#[derive(Clone, Debug, Deserialize)]
pub struct Captured {
    /// Name of its interface.
    pub interface: String,
    /// Seconds since 1970.
    pub seconds: f64,
    /// Its comment.
    pub comment: String,
    /// Whether it came in.
    pub inbound: bool,
    /// Its length on the wire.
    pub length: usize,
    /// What was kept of it, as hexadecimal digits.
    pub frame: String,
}

impl Captured {
    /// A value of the comment's `key=value` pairs.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let text = self.comment.split(": ").next().unwrap_or_default();
        let mut pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether the comment has all these pairs.
    #[must_use]
    pub fn is(&self, pairs: &[(&str, &str)]) -> bool {
        pairs
            .iter()
            .all(|(key, value)| self.get(key) == Some(value))
    }
}

/// `viaduct capture` at work. It ends when it is dropped.
#[derive(Debug)]
pub struct Capture {
    /// The process.
    pub process: Background,
    file: PathBuf,
}

impl Capture {
    /// Starts a capture of packets that match, and waits until all workers see to it. `name` is
    /// unique in the scenario.
    ///
    /// # Panics
    /// It does not begin.
    #[must_use]
    pub fn start(viaduct: &Viaduct, fabric: &Fabric, name: &str, words: &[&str]) -> Self {
        let file = fabric.scratch().join(format!("{name}.pcapng"));
        let path = file.display().to_string();
        let words = [&["capture", "--write", &path][..], words].concat();
        let command = viaduct.cli_command(&words);
        let mut process = Background::start(name, command, &fabric.logs());
        eventually("the capture's file", || {
            process.check_alive()?;
            expect(file.exists(), || format!("no {path}"))
        });
        Self { process, file }
    }

    /// The packets so far.
    ///
    /// # Errors
    /// The file cannot be read, perhaps because a packet is being written.
    pub fn packets(&self) -> Result<Vec<Captured>, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packets/pcapng.py");
        let mut python = std::process::Command::new("python3");
        let output = crate::process::output(python.arg(script).arg(&self.file));
        if !output.status.success() {
            return Err(describe(&output));
        }
        let lines = String::from_utf8_lossy(&output.stdout);
        let read = |line: &str| serde_json::from_str(line).map_err(|error| error.to_string());
        lines.lines().map(read).collect()
    }
}

/// The JSON that `viaduct <words> -o json` prints.
///
/// # Panics
/// It fails, or prints something else.
#[must_use]
pub fn json(viaduct: &Viaduct, words: &[&str]) -> Value {
    let words = [words, &["-o", "json"]].concat();
    let text = run(&mut viaduct.cli_command(&words));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
}

/// The step of this name that a traced packet takes at the last worker on its way.
///
/// # Panics
/// There is none.
#[must_use]
pub fn step<'t>(trace: &'t Value, name: &str) -> &'t Value {
    let worker = trace["workers"]
        .as_array()
        .and_then(|workers| workers.last());
    let steps = worker.and_then(|worker| worker["steps"].as_array());
    let found = steps.and_then(|steps| steps.iter().find(|step| step["step"] == name));
    found.unwrap_or_else(|| panic!("no step {name}: {trace:#}"))
}
