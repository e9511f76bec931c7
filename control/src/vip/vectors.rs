//! The vectors that the tests of this module share (see `tests/fixtures/MANIFEST.md`).

use std::collections::BTreeMap;

use serde::Deserialize;

/// An input and what upstream makes of it.
#[derive(Deserialize)]
pub(super) struct Case {
    /// What is normalised.
    #[serde(rename = "in")]
    pub(super) input: String,
    /// The expected result.
    #[serde(rename = "out")]
    pub(super) output: String,
}

/// A VIP and its addresses under several rules.
#[derive(Deserialize)]
pub(super) struct AddressCase {
    pub(super) label_host: String,
    pub(super) framework: String,
    pub(super) normalised: String,
    #[serde(rename = "ipv4_1.12plus_max_11.255.255.255")]
    pub(super) ipv4_installed: String,
    #[serde(rename = "ipv4_1.12plus_max_11.255.255.254")]
    pub(super) ipv4_default: String,
    #[serde(rename = "ipv4_1.12plus_max_11.0.0.254")]
    pub(super) ipv4_small: String,
    #[serde(rename = "ipv6_1.12plus")]
    pub(super) ipv6: String,
}

/// The whole file.
#[derive(Deserialize)]
pub(super) struct Vectors {
    pub(super) label: Vec<Case>,
    pub(super) domain: Vec<Case>,
    pub(super) phash2_raw_32bit: BTreeMap<String, u32>,
    pub(super) addresses: Vec<AddressCase>,
}

/// Reads the vectors.
pub(super) fn vectors() -> Vectors {
    serde_json::from_str(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/vip/name-and-address-vectors.json"
    )))
    .expect("the vectors are valid JSON")
}
