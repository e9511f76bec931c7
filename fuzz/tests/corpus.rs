//! Replays the seeds and everything that fuzzing has kept, on an ordinary build.

use std::path::Path;

use viaduct_fuzz::{TARGETS, Target, seeds};

/// The whole corpus is to stay small enough to be read by people now and then.
const LARGEST: u64 = 1 << 20;

/// Inputs that fuzzing has kept for a target: what reaches a place that no seed does.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a folder can be read").path();
        let bytes = std::fs::read(&path).expect("a file can be read");
        (path.display().to_string(), bytes)
    };
    entries.map(read).collect()
}

fn replay(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty());
    for seed in seeds {
        (target.check)(&seed);
    }
    for (file, input) in kept(target) {
        let replayed = std::panic::catch_unwind(|| (target.check)(&input));
        assert!(replayed.is_ok(), "{file} fails");
    }
}

#[test]
fn parse() {
    replay("parse");
}

#[test]
fn pipeline() {
    replay("pipeline");
}

#[test]
fn services_file() {
    replay("services-file");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn the_corpus_is_small() {
    let files = TARGETS.iter().flat_map(kept);
    let size: u64 = files.map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(size < LARGEST, "{size} bytes");
}
