//! See `regrow_fuzz::frames`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("frames"), |input: &[u8]| regrow_fuzz::run("frames", input));
