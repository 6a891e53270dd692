//! See `regrow_fuzz::layers`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("layers"), |input: &[u8]| regrow_fuzz::run("layers", input));
