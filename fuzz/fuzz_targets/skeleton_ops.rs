//! See `regrow_fuzz::skeleton_ops`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("skeleton_ops"), |input: &[u8]| regrow_fuzz::run("skeleton_ops", input));
