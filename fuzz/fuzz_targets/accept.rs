//! The target `accept` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_login_timeout_fuzz::accept::run(data));
