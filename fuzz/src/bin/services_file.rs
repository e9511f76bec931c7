//! libFuzzer on [`viaduct_fuzz::services_file`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viaduct_fuzz::services_file::check(data));
