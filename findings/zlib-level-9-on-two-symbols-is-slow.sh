#!/usr/bin/env bash
# zlib's level 9 follows hash chains of up to 4,096 places at each position. In random bytes of two
# values each run of three occurs at every eighth place, so the chains are full, and hardly a match
# is long enough to end a search. Level 9 then takes more than 20 times the processor time of level 6
# and 50 times its own for text: less than 1 MB/s. Such data compresses well, so an archive can hold
# a lot of work in few bytes, for anyone who compresses layers again to get the same bytes.
#
# A good guess would be that level 9 is two or three times slower than level 6, as it is on text.
# Seen with zlib 1.3.1 (crate libz-sys 1.1.22) and 1.2.13.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat > "$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
libz-sys = { version = "=1.1.22", default-features = false, features = ["libc", "static"] }
cpu-time = "=1.0.0"
TOML
cat > "$work/src/main.rs" <<'RUST'
use cpu_time::ProcessTime;

const BYTES: usize = 1 << 20;

fn compressed(plain: &[u8], level: i32) -> (u64, f64) {
    let (mut out, mut len) = (vec![0; 2 * BYTES], 2 * BYTES as std::ffi::c_ulong);
    let start = ProcessTime::now();
    // SAFETY: both buffers are as long as they are said to be.
    let code = unsafe {
        libz_sys::compress2(out.as_mut_ptr(), &mut len, plain.as_ptr(), plain.len() as std::ffi::c_ulong, level)
    };
    assert_eq!(code, libz_sys::Z_OK);
    (len as u64, start.elapsed().as_secs_f64())
}

fn main() {
    // SAFETY: a constant string.
    let version = unsafe { std::ffi::CStr::from_ptr(libz_sys::zlibVersion()) };
    println!("zlib {}", version.to_string_lossy());
    let mut state = 7u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let two: Vec<u8> = (0..BYTES).map(|_| random(2) as u8).collect();
    let words: Vec<Vec<u8>> = (0..5000).map(|_| (0..2 + random(8)).map(|_| b'a' + random(26) as u8).collect()).collect();
    let text: Vec<u8> = std::iter::repeat_with(|| [words[random(5000) as usize].as_slice(), b" "].concat())
        .flatten()
        .take(BYTES)
        .collect();
    let mut seconds = Vec::new();
    for (name, plain) in [("two values", &two), ("text", &text)] {
        for level in [6, 9] {
            let (bytes, took) = compressed(plain, level);
            println!("{name}, level {level}: {BYTES} bytes to {bytes} in {took:.3} s of processor time");
            seconds.push(took);
        }
    }
    if seconds[1] < 10.0 * seconds[0] || seconds[1] < 20.0 * seconds[3] {
        eprintln!("the behaviour has changed");
        std::process::exit(1);
    }
}
RUST
cargo run --release --quiet --manifest-path "$work/Cargo.toml" --target-dir "$work/target"
