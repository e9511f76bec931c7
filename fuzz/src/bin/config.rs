//! libFuzzer on [`viaduct_fuzz::config`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viaduct_fuzz::config::check(data));
