//! See `regrow_fuzz::tar_walk`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("tar_walk"), |input: &[u8]| regrow_fuzz::run("tar_walk", input));
