//! `viaduct check packets`: runs packet cases offline, one line for each.

use std::io::{self, Write};
use std::path::PathBuf;

use super::CheckPacketsArgs;
use crate::check::{self, Case, Suite, SuiteError};
use crate::exit::Exit;

/// How many cases there were, and how many of them went wrong.
#[derive(Default)]
struct Totals {
    cases: usize,
    failed: usize,
}

/// Runs all cases of all files; fails if one of them does.
pub(super) fn packets(
    args: &CheckPacketsArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let suites = match load(&args.paths) {
        Ok(suites) => suites,
        Err(error) => {
            writeln!(err, "viaduct: {error}")?;
            return Ok(Exit::Usage);
        }
    };
    let mut totals = Totals::default();
    for suite in &suites {
        for case in &suite.cases {
            run(args, suite, case, &mut totals, out)?;
        }
    }
    writeln!(out, "{} cases, {} failed", totals.cases, totals.failed)?;
    match totals {
        Totals { cases: 0, .. } => {
            writeln!(
                err,
                "viaduct: there is no case; name a suite's file or folder"
            )?;
            Ok(Exit::Usage)
        }
        Totals { failed: 0, .. } => Ok(Exit::Success),
        _ => Ok(Exit::Failure),
    }
}

fn load(paths: &[PathBuf]) -> Result<Vec<Suite>, SuiteError> {
    check::files(paths)?
        .iter()
        .map(|path| Suite::load(path))
        .collect()
}

fn run(
    args: &CheckPacketsArgs,
    suite: &Suite,
    case: &Case,
    totals: &mut Totals,
    out: &mut dyn Write,
) -> io::Result<()> {
    let outcome = check::run(suite, case);
    totals.cases += 1;
    let passed = outcome.failures.is_empty();
    let word = if passed { "ok    " } else { "FAILED" };
    writeln!(out, "{word}  {}: {}", suite.name, case.name)?;
    for failure in &outcome.failures {
        writeln!(out, "    {failure}")?;
    }
    totals.failed += usize::from(!passed);
    if let Some(folder) = &args.dump {
        std::fs::create_dir_all(folder)?;
        check::dump(folder, suite, case, &outcome)?;
    }
    Ok(())
}
