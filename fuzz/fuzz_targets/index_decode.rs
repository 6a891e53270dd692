//! See `regrow_fuzz::index_decode`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("index_decode"), |input: &[u8]| regrow_fuzz::run("index_decode", input));
