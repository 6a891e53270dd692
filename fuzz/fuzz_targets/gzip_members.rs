//! See `regrow_fuzz::gzip_members`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("gzip_members"), |input: &[u8]| regrow_fuzz::run("gzip_members", input));
