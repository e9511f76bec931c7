//! libFuzzer on [`viaduct_fuzz::parse`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viaduct_fuzz::parse::check(data));
