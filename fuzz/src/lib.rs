//! Fuzz targets. Each module is one: its `check` takes any bytes and must not panic, and panics
//! if what it looks at breaks a promise. `scripts/fuzz` lets libFuzzer look for such bytes;
//! `tests/corpus.rs` replays the seeds and what was found before, without it.

pub mod config;
pub mod judge;
pub mod parse;
pub mod pipeline;
pub mod seeds;
pub mod services_file;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and its corpus's folder.
    pub name: &'static str,
    /// What it does with an input.
    pub check: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 4] = [
    Target {
        name: "parse",
        check: parse::check,
    },
    Target {
        name: "pipeline",
        check: pipeline::check,
    },
    Target {
        name: "services-file",
        check: services_file::check,
    },
    Target {
        name: "config",
        check: config::check,
    },
];
