//! libFuzzer on [`viaduct_fuzz::pipeline`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viaduct_fuzz::pipeline::check(data));
