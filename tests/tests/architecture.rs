//! What must be absent: forbidden edges between the crates, and unsafe code outside its places.
//!
//! ```text
//!   control ──> dataplane ──> sys          never back, never past
//! ```
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that the packet path must never see.
const NOT_IN_DATAPLANE: [&str; 9] = [
    "tokio",
    "serde",
    "hyper",
    "axum",
    "reqwest",
    "prometheus",
    "tracing",
    "anyhow",
    "control",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The triple of this machine: what other platforms would need is not downloaded.
fn host() -> String {
    let version = viaduct_tests::process::run(Command::new("rustc").arg("-vV"));
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

/// Direct dependencies by package name, without those of tests and build scripts.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "metadata",
        "--format-version=1",
        "--offline",
        "--filter-platform",
        &host(),
    ]);
    cargo.current_dir(root());
    let metadata: Value = serde_json::from_str(&viaduct_tests::process::run(&mut cargo)).unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, String> = packages
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), name(p)))
        .collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let from = edges
            .entry(names[node["id"].as_str().unwrap()].clone())
            .or_default();
        let deps = node["deps"].as_array().unwrap();
        let normal = deps.iter().filter(|dep| {
            dep["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null())
        });
        from.extend(normal.map(|dep| names[dep["pkg"].as_str().unwrap()].clone()));
    }
    edges
}

fn reachable(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from.to_owned()];
    while let Some(name) = waiting.pop() {
        for next in &edges[&name] {
            if seen.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn dependencies_point_one_way() {
    let edges = dependencies();
    assert!(edges["control"].contains("dataplane"));
    assert!(edges["dataplane"].contains("dpdk-sys"));
    assert!(
        !edges["control"].contains("dpdk-sys"),
        "control must not see DPDK"
    );
    let below_sys = reachable(&edges, "dpdk-sys");
    assert!(below_sys.is_empty(), "sys has dependencies: {below_sys:?}");
    let below_dataplane = reachable(&edges, "dataplane");
    for forbidden in NOT_IN_DATAPLANE {
        assert!(
            !below_dataplane.contains(forbidden),
            "dataplane depends on {forbidden}"
        );
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

#[test]
fn only_the_ffi_folders_have_unsafe_code() {
    let (root, word) = (root(), concat!("un", "safe"));
    let allowed = [root.join("sys"), root.join("dataplane/src/dpdk")];
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 20, "only {} files were found", files.len());
    files.retain(|file| !allowed.iter().any(|folder| file.starts_with(folder)));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate() {
            assert!(
                !has_word(line, word),
                "{}:{}: {line}",
                file.display(),
                index + 1
            );
        }
    }
}
