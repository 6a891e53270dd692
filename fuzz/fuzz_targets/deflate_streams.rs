//! See `regrow_fuzz::deflate_streams`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("deflate_streams"), |input: &[u8]| regrow_fuzz::run("deflate_streams", input));
