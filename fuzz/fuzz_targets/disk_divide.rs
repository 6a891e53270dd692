//! See `regrow_fuzz::disk_divide`.
#![no_main]
#![allow(unsafe_code, reason = "what the macro expands to")]

libfuzzer_sys::fuzz_target!(init: regrow_fuzz::write_seeds_if_asked("disk_divide"), |input: &[u8]| regrow_fuzz::run("disk_divide", input));
