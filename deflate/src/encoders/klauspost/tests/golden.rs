//! Streams of the real encoders, recorded: for each kind the length and BLAKE3 of all of them, one after the other.
//!
//! Recorded with `KLAUSPOST_PROGRAMS=PROGRAM,PROGRAM,PROGRAM cargo test -p regrow-deflate -- --ignored record`, in
//! which the programs are `original.go` built with klauspost/compress 1.15.12, 1.18.0 and 1.20.3, and pgzip.

use std::fmt::Write;

use super::original::Original;
use super::{VERSIONS, data, kinds, stream};
use crate::encoders::klauspost::{Klauspost, Version};

const RECORDED: &str = include_str!("golden.txt");

fn recorded(version: Version, stream: impl Fn(Klauspost, &[u8]) -> Vec<u8>) -> String {
    let (small, large) = (data::small(), data::large());
    let mut lines = String::new();
    for kind in kinds(version) {
        let is_slow = matches!(kind, Klauspost::Gzip { level, .. } | Klauspost::Pgzip { level, .. } if level > 7);
        let plain = small.iter().chain(if is_slow { &[][..] } else { &large });
        let (mut hasher, mut length) = (blake3::Hasher::new(), 0);
        for (_, plain) in plain {
            let stream = stream(kind, plain);
            length += stream.len();
            hasher.update(&stream);
        }
        writeln!(lines, "{kind:?}: {length} {}", hasher.finalize()).unwrap();
    }
    lines
}

fn check(version: Version) {
    let now = recorded(version, |kind, plain| stream(kind, plain, 1 << 17));
    for (line, now) in RECORDED.lines().filter(|line| line.contains(&format!("{version:?}"))).zip(now.lines()) {
        assert_eq!(line, now);
    }
    assert_eq!(RECORDED.lines().count(), now.lines().count() * VERSIONS.len());
}

#[test]
fn streams_are_the_recorded_ones_of_1_15() {
    check(Version::V1_15);
}

#[test]
fn streams_are_the_recorded_ones_of_1_18() {
    check(Version::V1_18);
}

#[test]
fn streams_are_the_recorded_ones_of_1_20() {
    check(Version::V1_20);
}

#[test]
#[ignore = "writes the recorded streams anew"]
fn record() {
    let programs = std::env::var("KLAUSPOST_PROGRAMS").expect("the programs, see above");
    let lines: String = VERSIONS
        .into_iter()
        .zip(programs.split(','))
        .map(|(version, program)| {
            let original = Original::at(program);
            recorded(version, |kind, plain| original.stream(kind, plain))
        })
        .collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/encoders/klauspost/tests/golden.txt");
    std::fs::write(path, lines).unwrap();
}
