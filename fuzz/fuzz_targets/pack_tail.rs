//! See `regrow_fuzz::pack_tail`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("pack_tail"), |input: &[u8]| regrow_fuzz::run("pack_tail", input));
