//! Bodies of version 1 do not change. Decoded, they give the same target; encoded again, the ops give the same
//! bytes.
//!
//! `cargo test -p regrow-delta --test golden -- --ignored` makes the files in `tests/golden`. Run it only together
//! with a new `VERSION`, or before a version is released.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::PathBuf;

use regrow_delta::{Chains, Coding, DeltaEncoder, decode, find_ops};

const FILES: [(Coding, &str); 2] = [(Coding::Mixed, "mixed.body"), (Coding::Streams, "streams.body")];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Bytes that resemble code with calls in it, and their next version, in which inserted bytes move all that
/// follows.
fn base_and_target() -> (Vec<u8>, Vec<u8>) {
    let mut state = 20u32;
    let mut next = move || {
        // The constants are those of Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let shape: Vec<(u32, u32, u32)> = (0..1500).map(|_| (next() % 40, next() % 300, next())).collect();
    let code = |is_new: bool| {
        // The places of all functions come first, then the functions, each of which calls another.
        let body = |n: usize| if is_new && n.is_multiple_of(50) { 31 } else { 11 + shape[n].0 };
        let starts: Vec<u32> = (0..shape.len()).map(|n| (0..n).map(|n| body(n) + 5).sum()).collect();
        let mut bytes = Vec::new();
        for (n, (_, called, noise)) in shape.iter().enumerate() {
            bytes.extend((0..body(n)).map(|at| (noise >> (at % 8)) as u8 ^ (at * 7) as u8));
            let to = starts[*called as usize % starts.len()];
            bytes.push(0xe8);
            bytes.extend_from_slice(&to.wrapping_sub(bytes.len() as u32 + 4).to_le_bytes());
        }
        bytes
    };
    let (base, mut target) = (code(false), code(true));
    target.splice(9000..9000, (0..700).map(|_| (next() % 20 + 97) as u8));
    target.rotate_left(30_000);
    ([headers(0o14_477_777_000), base].concat(), [headers(0o14_500_001_234), target].concat())
}

/// Bytes that resemble tar headers with this time, with padding between them.
fn headers(time: u32) -> Vec<u8> {
    let mut tar = Vec::new();
    for number in 0..40u32 {
        let mut header = [0; 512];
        header[..12].copy_from_slice(format!("file-{:07}", number * number * 77).as_bytes());
        header[124..148].copy_from_slice(format!("{:011o}\0{:011o}\0", number * 1234, time + number / 8).as_bytes());
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.resize(tar.len() + (number * 131 % 512) as usize, 0);
    }
    tar
}

fn coded(coding: Coding) -> Vec<u8> {
    let (base, target) = base_and_target();
    let mut encoder = DeltaEncoder::new(&base[..], target.len() as u64, coding, 6, Vec::new()).unwrap();
    for op in find_ops(&Chains::new(&base, 64), &target) {
        encoder.push(&op).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn bodies_stay_what_they_are() {
    let (base, target) = base_and_target();
    for (coding, name) in FILES {
        let body = std::fs::read(path(name)).unwrap();
        let mut made = Vec::new();
        decode(&base[..], &body[..], target.len() as u64, |piece| {
            made.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        assert!(made == target, "{name} gives another target");
        assert!(coded(coding) == body, "{name} is coded another way");
    }
}

#[test]
#[ignore = "writes the files"]
fn write_bodies() {
    for (coding, name) in FILES {
        std::fs::write(path(name), coded(coding)).unwrap();
    }
}
