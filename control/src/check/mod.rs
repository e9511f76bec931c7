//! Packet cases: given packets in, exactly these packets, verdicts and counters come out.
//!
//! The cases are data (`tests/packets/suite/*.toml`, see its README). They run here on the data
//! plane's own workers over ports of plain memory: no EAL, no privileges, no clock. Nothing here
//! knows how a packet is balanced; what is expected was computed elsewhere.

mod bytes;
mod dump;
mod rig;
mod setup;
mod show;
mod stations;
mod suite;
mod tally;

use std::io;
use std::path::{Path, PathBuf};

pub use bytes::Pattern;
pub use rig::{Outcome, Rig, run};
pub use suite::{Case, Setup, Step, Suite, SuiteError};

/// The files that `paths` name: a file itself, a folder's `*.toml` in order of their names.
///
/// # Errors
/// A path cannot be read.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SuiteError> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable = |source| SuiteError::Unreadable {
            path: path.clone(),
            source,
        };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            found.extend(suites_in(path).map_err(unreadable)?);
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn suites_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
    let mut files: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    Ok(files)
}

/// Writes what a case sent into `folder`, as `<suite>--<case>.pcap`.
///
/// # Errors
/// The file cannot be written.
pub fn dump(folder: &Path, suite: &Suite, case: &Case, outcome: &Outcome) -> io::Result<()> {
    let name: String = format!("{}--{}", suite.name, case.name)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    dump::write(&folder.join(name).with_extension("pcap"), &outcome.sent)
}
