//! Writes the seeds of all targets: `fuzz-seeds FOLDER` makes `FOLDER/<target>/`.

#![allow(clippy::print_stderr, reason = "a tool of two lines")]

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds FOLDER");
        return ExitCode::from(2);
    };
    match viaduct_fuzz::seeds::write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "fuzz-seeds: cannot write into {}: {error}",
                folder.display()
            );
            ExitCode::FAILURE
        }
    }
}
