//! The encoders of Go's streams against the real ones: what those made once, and what they make where they are
//! installed.

#[path = "go_encoders/data.rs"]
mod data;
#[path = "go_encoders/real.rs"]
mod real;

use std::fmt::Write;

use data::Numbers;
use real::RealGo;
use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder};

const GENERATIONS: [GoGeneration; 3] = [GoGeneration::Before127, GoGeneration::From127, GoGeneration::From127Fused];
const LEVELS: [i8; 11] = [-2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Made by `record`, from golang 1.19.8 and 1.27.3.
const GOLDEN: &str = include_str!("go_encoders/golden.txt");

fn encoded(known: KnownEncoder, pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(known), Vec::new());
    pieces.for_each(|piece| encoder.write(piece.as_ref(), &mut stream));
    encoder.finish(&mut stream);
    stream
}

/// In pieces of various sizes.
fn encoded_in_pieces(known: KnownEncoder, mut plain: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let pieces = std::iter::from_fn(|| {
        let size = numbers.size(19);
        let (now, later) = plain.split_at(size.min(plain.len()));
        plain = later;
        (!now.is_empty()).then_some(now)
    });
    encoded(known, pieces)
}

fn line(name: &str, known: KnownEncoder, stream: &[u8]) -> String {
    format!("{name} {} {} {}", known.number(), stream.len(), blake3::hash(stream).to_hex())
}

#[test]
fn streams_are_as_recorded() {
    let mut numbers = Numbers::new(2);
    let mut recorded = GOLDEN.lines();
    for (name, plain) in data::all() {
        for generation in GENERATIONS {
            for level in LEVELS {
                let known = KnownEncoder::Go { generation, level };
                let stream = encoded_in_pieces(known, &plain, &mut numbers);
                assert_eq!(Some(&*line(&name, known, &stream)), recorded.next(), "{known:?} of {name}");
            }
        }
    }
    assert_eq!(recorded.next(), None);
}

#[test]
#[ignore = "writes the golden file; needs both generations of Go"]
fn record() {
    let mut reals = GENERATIONS.map(|generation| RealGo::of(generation).expect("a go of each generation"));
    let mut golden = String::new();
    for (name, plain) in data::all() {
        for (generation, real) in GENERATIONS.into_iter().zip(&mut reals) {
            for level in LEVELS {
                let stream = real.deflate(level, 0, &plain).0;
                writeln!(golden, "{}", line(&name, KnownEncoder::Go { generation, level }, &stream)).unwrap();
            }
        }
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go_encoders/golden.txt"), golden).unwrap();
}

/// Encodes data of `rounds` seeds with each level, and compares with the real encoder.
fn compare(generation: GoGeneration, rounds: u64) {
    let Some(mut real) = RealGo::of(generation) else { return };
    for seed in 0..rounds {
        let mut numbers = Numbers::new(1000 + seed);
        let length = numbers.size(20);
        let plain = data::mixed(&mut numbers, length);
        for level in LEVELS {
            let known = KnownEncoder::Go { generation, level };
            let ours = encoded_in_pieces(known, &plain, &mut numbers);
            assert!(ours == real.deflate(level, 0, &plain).0, "{known:?}, seed {seed}");
        }
    }
}

/// The number of data sets that are tried; `REGROW_GO_ROUNDS` sets more.
fn rounds() -> u64 {
    std::env::var("REGROW_GO_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

#[test]
fn as_the_real_go_before_127() {
    compare(GoGeneration::Before127, rounds());
}

#[test]
fn as_the_real_go_from_127() {
    compare(GoGeneration::From127, rounds());
}

#[test]
fn as_the_real_go_from_127_on_arm() {
    compare(GoGeneration::From127Fused, rounds());
}

/// The sizes of a writer's writes make no difference; `before127` says where they might.
#[test]
fn write_sizes_make_no_difference() {
    for generation in GENERATIONS {
        let Some(mut real) = RealGo::of(generation) else { continue };
        let plain = data::mixed(&mut Numbers::new(3), 300_000);
        for level in LEVELS {
            let ours = encoded(KnownEncoder::Go { generation, level }, std::iter::once(&plain));
            for write_bytes in [1, 1000, 4096, 32 << 10] {
                assert!(ours == real.deflate(level, write_bytes, &plain).0, "{level}, writes of {write_bytes}");
            }
        }
    }
}
