//! Streams of the real encoders, recorded: for each kind the length and BLAKE3 of all of them, one after the other.
//!
//! Recorded with `KLAUSPOST_ZSTD_PROGRAMS=PROGRAM,... cargo test -p regrow-zstd -- --ignored record`, in which the
//! programs are `original.go` built with klauspost/compress 1.15.12, 1.16.7, 1.17.2, 1.17.3,
//! 1.17.7 and 1.19.1.

use std::fmt::Write;

use super::original::Original;
use super::{data, kinds, stream};
use crate::klauspost::{Klauspost, Version};

const RECORDED: &str = include_str!("golden.txt");

fn recorded(version: Version, stream: impl Fn(Klauspost, &[u8]) -> Vec<u8>) -> String {
    let plain = [data::of_many_lengths(), data::of_all_kinds()].concat();
    // More than the smaller windows hold.
    let large = [("large".to_owned(), data::mixed(700_000))];
    let mut lines = String::new();
    for (number, kind) in kinds(version).enumerate() {
        let (mut hasher, mut length) = (blake3::Hasher::new(), 0);
        let (first, step) = if kind.has_usual_options() { (0, 1) } else { (number % 5, 5) };
        let large = if first == 0 { &large[..] } else { &[] };
        for (_, plain) in plain.iter().skip(first).step_by(step).chain(large) {
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
    let of_version = format!("version: {version:?},");
    let lines: Vec<&str> = RECORDED.lines().filter(|line| line.contains(&of_version)).collect();
    assert_eq!(lines, now.lines().collect::<Vec<_>>());
}

#[test]
fn streams_are_the_recorded_ones_of_1_15() {
    check(Version::V1_15);
}

#[test]
fn streams_are_the_recorded_ones_of_1_16() {
    check(Version::V1_16_4);
}

#[test]
fn streams_are_the_recorded_ones_of_1_17_2() {
    check(Version::V1_17_0);
}

#[test]
fn streams_are_the_recorded_ones_of_1_17_3() {
    check(Version::V1_17_3);
}

#[test]
fn streams_are_the_recorded_ones_of_1_17_7() {
    check(Version::V1_17_6);
}

#[test]
fn streams_are_the_recorded_ones_of_1_19() {
    check(Version::V1_17_8);
}

#[test]
#[ignore = "writes the recorded streams anew"]
fn record() {
    let programs = std::env::var("KLAUSPOST_ZSTD_PROGRAMS").expect("the programs, see above");
    let mut versions = Version::ALL;
    versions.sort();
    let recorded = versions.into_iter().zip(programs.split(',')).map(|(version, program)| {
        let original = Original::at(program);
        recorded(version, |kind, plain| original.stream(kind, plain))
    });
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/klauspost/tests/golden.txt");
    std::fs::write(path, recorded.collect::<String>()).unwrap();
}
