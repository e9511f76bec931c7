//! Scenarios that run over several attachments. Each is a function of how Viaduct is attached; the test files say over what.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod shutdown;
pub(crate) mod spread;
pub(crate) mod transfer;
pub(crate) mod udp;
