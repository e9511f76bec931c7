//! The `viaduct` binary: nothing but [`control::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    control::cli::main(std::env::args_os()).into()
}
