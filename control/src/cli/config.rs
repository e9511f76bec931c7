//! `viaduct config check`, and how configuration errors are shown.

use std::io::{self, Write};
use std::path::Path;

use miette::Report;

use crate::config::{Config, ConfigError, Loaded};
use crate::exit::Exit;
use crate::host;

/// Checks a file: one line if it is usable, else every error in it.
pub(super) fn check(file: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    match load(file, err)? {
        Ok(loaded) => {
            show_warnings(&loaded, err)?;
            writeln!(out, "{}: OK ({})", file.display(), summary(&loaded.config))?;
            Ok(Exit::Success)
        }
        Err(exit) => Ok(exit),
    }
}

/// Loads a file for this machine; what is wrong is shown, and the exit code returned.
pub(super) fn load(file: &Path, err: &mut dyn Write) -> io::Result<Result<Loaded, Exit>> {
    let cpus = match host::cpus() {
        Ok(cpus) => cpus,
        Err(error) => {
            writeln!(err, "viaduct: {error}")?;
            return Ok(Err(Exit::Failure));
        }
    };
    match Config::load(file, &cpus) {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(error) => {
            show(error, err)?;
            Ok(Err(Exit::Configuration))
        }
    }
}

fn show(error: ConfigError, err: &mut dyn Write) -> io::Result<()> {
    writeln!(err, "{:?}", Report::new(error))
}

/// Shows the oddities of a usable file.
fn show_warnings(loaded: &Loaded, err: &mut dyn Write) -> io::Result<()> {
    for warning in &loaded.warnings {
        writeln!(err, "{:?}", Report::new(warning.clone()))?;
    }
    Ok(())
}

fn summary(config: &Config) -> String {
    let number = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let workers = number(config.workers.cores.count(), "worker");
    let ports = number(config.ports.len(), "port");
    let sources = config.sources.names();
    let word = if sources.len() == 1 {
        "source"
    } else {
        "sources"
    };
    format!("{workers}, {ports}, {word} {}", sources.join(" and "))
}
