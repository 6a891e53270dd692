//! The encoders of zlib's family against the real ones, where these are there, and against what they were recorded to
//! write: a line for each kind of data and encoder in `golden.txt`, of streams that were the originals' to the letter.
//! Written again by `REGROW_WRITE_GOLDEN=1`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail by panicking, and what is left out is to be seen"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use regrow_deflate::encoders::{Encoder, KnownEncoder, ZLIB_WINDOW_LOGS, ZlibFamily, zlib_stream};

const GOLDEN: &str = include_str!("zlib_family/golden.txt");

fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn text(lines: u32) -> Vec<u8> {
    let line = |number: u32| {
        let mixed = number.wrapping_mul(2_654_435_761);
        format!("{:x} let value{} = table[{}];\n", mixed >> (mixed & 15), number % 97, mixed >> 20)
    };
    (0..lines).flat_map(|number| line(number).into_bytes()).collect()
}

/// Bytes with the sizes at which windows slide and blocks end among them.
fn data() -> Vec<(&'static str, Vec<u8>)> {
    let text = text(60_000);
    let mixed = [&text[..100_000], &noise("mixed", 70_000), &[0; 90_000], &text[50_000..200_000]].concat();
    vec![
        ("empty", Vec::new()),
        ("one", b"a".to_vec()),
        ("twelve", b"abcabcabcabc".to_vec()),
        ("text 32768", text[..32_768].to_vec()),
        ("text 65274", text[..65_274].to_vec()),
        ("text 65536", text[..65_536].to_vec()),
        ("text 131072", text[..131_072].to_vec()),
        ("text 131073", text[..131_073].to_vec()),
        ("text", text),
        ("mixed", mixed),
        ("noise", noise("noise", 200_000)),
        ("zeros", vec![0; 500_000]),
        ("bytes of few kinds", noise("few", 400_000).iter().map(|byte| byte % 3).collect()),
    ]
}

fn kinds() -> Vec<ZlibFamily> {
    let of_level = |level| {
        let zlib = |memory| ZlibFamily::Zlib { level, memory };
        [zlib(8), zlib(9), ZlibFamily::Gzip { level }, ZlibFamily::Pigz { level }]
    };
    (1..=9).flat_map(of_level).collect()
}

/// At a level for each way of going about it.
fn some_kinds() -> Vec<ZlibFamily> {
    let is_one = |kind: &ZlibFamily| {
        let (ZlibFamily::Zlib { level, .. } | ZlibFamily::Gzip { level } | ZlibFamily::Pigz { level }) = *kind;
        [1, 3, 4, 6, 9].contains(&level)
    };
    kinds().into_iter().filter(is_one).collect()
}

fn encoded(kind: ZlibFamily, plain: &[u8], piece_bytes: usize) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(KnownEncoder::Zlib(kind)), Vec::new());
    plain.chunks(piece_bytes).for_each(|piece| encoder.write(piece, &mut stream));
    encoder.finish(&mut stream);
    stream
}

#[test]
fn streams_are_the_recorded_ones() {
    let mut lines = String::new();
    for (name, plain) in data() {
        for kind in kinds() {
            let stream = encoded(kind, &plain, 10_007);
            lines += &format!("{name}: {kind}: {} {}\n", stream.len(), blake3::hash(&stream).to_hex());
        }
    }
    if std::env::var_os("REGROW_WRITE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zlib_family/golden.txt"), &lines).unwrap();
        return;
    }
    for (found, recorded) in lines.lines().zip(GOLDEN.lines()) {
        assert_eq!(found, recorded);
    }
    assert_eq!(lines.lines().count(), GOLDEN.lines().count());
}

#[test]
fn streams_hold_the_plain_bytes_however_they_are_written() {
    for (name, plain) in data() {
        for kind in some_kinds() {
            let stream = encoded(kind, &plain, usize::MAX / 2);
            assert!(regrow_deflate::inflate(&stream, plain.len()).unwrap() == plain, "{name}: {kind}");
            assert!(encoded(kind, &plain, 4099) == stream, "{name}: {kind}");
        }
    }
}

/// The stream that a program writes when it is given these bytes; `None` if it is not there.
fn written(program: &str, arguments: &[String], plain: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(plain));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?}");
    Some(output.stdout)
}

/// Raw deflate by zlib: level, memory level and the logarithm of the window are arguments.
const PYTHON: &str = "import sys, zlib
level, memory, window = map(int, sys.argv[1:])
c = zlib.compressobj(level, zlib.DEFLATED, -window, memory)
sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())";

fn by_the_original(kind: ZlibFamily, plain: &[u8]) -> Option<Vec<u8>> {
    let of_gzip = |bytes: Vec<u8>| bytes[10..bytes.len() - 8].to_vec();
    match kind {
        ZlibFamily::Zlib { level, memory } => by_zlib([level, memory, 15], plain),
        ZlibFamily::Gzip { level } => written("gzip", &["-nc".into(), format!("-{level}")], plain).map(of_gzip),
        ZlibFamily::Pigz { level } => {
            written("pigz", &["-nc".into(), "-p".into(), "2".into(), format!("-{level}")], plain).map(of_gzip)
        }
    }
}

fn by_zlib(parameters: [u8; 3], plain: &[u8]) -> Option<Vec<u8>> {
    let parameters = parameters.map(|parameter| parameter.to_string());
    written("python3", &[["-c".into(), PYTHON.into()].as_slice(), &parameters].concat(), plain)
}

#[test]
fn streams_with_small_windows_are_the_recorded_ones_and_those_of_zlib() {
    let mut lines = String::new();
    let is_there = by_zlib([6, 9, 12], b"").is_some();
    if !is_there {
        eprintln!("skipped: zlib with small windows: python3 is not there");
    }
    // The last block begins in what slides out at the very end, so it is not stored.
    let late = ("zeros and noise", [vec![0; 27_890], noise("late", 37_646)].concat());
    for (name, plain) in data().into_iter().chain([late]) {
        for (window, level) in [(9, 6), (10, 1), (11, 9), (12, 1), (12, 6), (12, 9), (13, 6), (14, 1)] {
            assert!(ZLIB_WINDOW_LOGS.contains(&window));
            let memory = if level == 9 { 8 } else { 9 };
            let stream = zlib_stream(level, memory, window, &plain);
            lines +=
                &format!("{name}: {window} {level} {memory}: {} {}\n", stream.len(), blake3::hash(&stream).to_hex());
            assert!(regrow_deflate::inflate(&stream, plain.len()).unwrap() == plain);
            if is_there && level == 6 && window < 13 {
                let original = by_zlib([level, memory, window], &plain).unwrap();
                assert!(stream == original, "{name}: {window} {level} {memory}");
            }
        }
    }
    if std::env::var_os("REGROW_WRITE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zlib_family/windows.txt"), &lines).unwrap();
        return;
    }
    assert!(lines == include_str!("zlib_family/windows.txt"));
}

#[test]
fn streams_are_those_of_the_originals() {
    for kind in some_kinds() {
        if by_the_original(kind, b"").is_none() {
            eprintln!("skipped: {kind}: the program is not there");
            continue;
        }
        for (name, plain) in data() {
            let original = by_the_original(kind, &plain).unwrap();
            assert!(encoded(kind, &plain, 1 << 20) == original, "{name}: {kind}");
        }
    }
}
