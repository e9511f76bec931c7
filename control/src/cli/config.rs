//! `viaduct config check`, and how configuration errors are shown.

use std::io::{self, Write};
use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::config::{Config, Loaded};
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
            let _ = writeln!(err, "viaduct: {error}");
            return Ok(Err(Exit::Failure));
        }
    };
    match Config::load(file, &cpus) {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(error) => {
            // The exit code says it too, even if nobody reads the text any more.
            let _ = show(&error, err);
            Ok(Err(Exit::Configuration))
        }
    }
}

/// Shows the line and a caret in plain ASCII: the same on a terminal, in a journal and in a ticket.
fn show(diagnostic: &dyn Diagnostic, err: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .render_report(&mut text, diagnostic)
        .map_err(io::Error::other)?;
    err.write_all(text.as_bytes())
}

/// Shows the oddities of a usable file.
fn show_warnings(loaded: &Loaded, err: &mut dyn Write) -> io::Result<()> {
    for warning in &loaded.warnings {
        show(warning, err)?;
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
