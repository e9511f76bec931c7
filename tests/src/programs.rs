//! Where the programs are that the tests start: those of this crate and `viaduct` itself lie
//! beside the test executable's folder, as cargo puts them.

use std::path::{Path, PathBuf};

/// Names `viaduct` from elsewhere, for example a release build.
pub const VIADUCT_ENV: &str = "VIADUCT_BIN";

/// Path of a program of this crate.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn own(name: &str) -> PathBuf {
    let path = beside(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p viaduct-tests`",
        path.display()
    );
    path
}

/// Path of `viaduct`.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn viaduct() -> PathBuf {
    let path = std::env::var_os(VIADUCT_ENV).map_or_else(|| beside("viaduct"), PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p control`, or set {VIADUCT_ENV}",
        path.display()
    );
    path
}

/// Path of a script of the project.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scripts")
        .join(name)
}

/// Path of a file that tests read.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// `target/<profile>/<name>`; a test runs as `target/<profile>/deps/<test>`.
fn beside(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let folder = this.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent()
    } else {
        Some(folder)
    };
    folder
        .expect("cargo's deps folder lies in the profile's")
        .join(name)
}
