//! See `regrow_fuzz::zstd_corrections`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("zstd_corrections"), |input: &[u8]| regrow_fuzz::run("zstd_corrections", input));
