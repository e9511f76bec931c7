//! The `viaduct` binary.
fn main() {}
