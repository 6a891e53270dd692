//! See `regrow_fuzz::patch_body`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("patch_body"), |input: &[u8]| regrow_fuzz::run("patch_body", input));
