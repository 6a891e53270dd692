use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::klauspost::tests::data;
use crate::{KnownEncoder, Level, Reencoder, Version, ZstdPart, ZstdReader};

/// Files of the real writers: level, length and BLAKE3. They were recorded by the ignored test in this file, with
/// `CHUNKED_PROGRAMS=PROGRAM,…` in the environment; the programs pass a tar through `compressor.ZstdCompressor`
/// at the level that their argument says. They are of containers/storage 1.43.0, built with klauspost/compress 1.15.12, and
/// of 1.53.0, 1.54.0, 1.58.0 and 1.59.1 with those that they come with.
const RECORDED: [(Generation, Version, Level, &str, usize, &str); 10] = [
    (
        Generation::V1_38,
        Version::V1_15,
        Level::Best,
        "10",
        640_972,
        "b4bbefaba332e8658274709cb90ae39615b5a210d6e665b83e6d49313013e65c",
    ),
    (
        Generation::V1_38,
        Version::V1_15,
        Level::Default,
        "3",
        703_162,
        "56137792c8d51d49c4499f68337c3f1d1f9061dbc2f55f90820cf4a9df28b8d2",
    ),
    (
        Generation::V1_50,
        Version::V1_17_6,
        Level::Best,
        "10",
        643_224,
        "9c74cc1711190c8602acd30f652cf4b2f0470098e60a6597cdcdd1eb779cff34",
    ),
    (
        Generation::V1_50,
        Version::V1_17_0,
        Level::Default,
        "3",
        708_864,
        "c4eaed53b0e9d6803c40f569ec061a2f234b32bc711d3a309a27ea9c95cbe991",
    ),
    (
        Generation::V1_54,
        Version::V1_17_8,
        Level::Best,
        "10",
        642_712,
        "5fdf29b6e47fc31c4c0ddab209785bb3cd25c8a05ae2b4d94cacd0ad87c90d36",
    ),
    (
        Generation::V1_54,
        Version::V1_17_8,
        Level::Default,
        "3",
        708_710,
        "f5f643775c59d83a84ad9b7eb77804238dd3378beabfa261430098b89a9c2a69",
    ),
    (
        Generation::V1_55,
        Version::V1_17_8,
        Level::Best,
        "10",
        642_695,
        "536c89a9ed59e2f02be7ee1a1071c27e70cf642f7187f4bf05fe3fef59f6e0ce",
    ),
    (
        Generation::V1_55,
        Version::V1_17_8,
        Level::Default,
        "3",
        708_668,
        "3ab60d453e4d26bee3f3defa106a0d63f77dffccd84fb8b84381dc12f7793c64",
    ),
    (
        Generation::V1_59,
        Version::V1_17_8,
        Level::Best,
        "10",
        642_689,
        "fd2ed066c950578221df44d3859e0592d6bce64baceb872be92fad7c85e4f123",
    ),
    (
        Generation::V1_59,
        Version::V1_17_8,
        Level::Default,
        "3",
        708_662,
        "4a125e1e0d10f0d595501eee712ec7a9c9b48eea58260a360a6a61d95412bac9",
    ),
];

struct Header<'a> {
    name: &'a [u8],
    flag: u8,
    magic: &'a [u8; 8],
    link: &'a [u8],
    size: u64,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Self { name: b"file", flag: b'0', magic: b"ustar\x0000", link: b"", size: 0 }
    }
}

impl Header<'_> {
    fn put(&self, tar: &mut Vec<u8>) {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let numbers = [(100, 0o644), (108, 1000), (116, 0)];
        put(0, self.name);
        numbers.into_iter().for_each(|(at, number)| put(at, format!("{number:07o}").as_bytes()));
        put(124, format!("{:011o}", self.size).as_bytes());
        put(136, format!("{:011o}", 1_790_000_000 + self.size).as_bytes());
        put(148, b"        ");
        put(156, &[self.flag]);
        put(157, self.link);
        put(257, self.magic);
        put(329, format!("{:07o}", if self.flag == b'3' { 8 } else { 0 }).as_bytes());
        put(337, format!("{:07o}", if self.flag == b'3' { 17 } else { 0 }).as_bytes());
        if self.magic == b"ustar  \0" {
            put(345, format!("{:011o}", 1_700_000_000).as_bytes());
        }
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&block);
    }

    fn put_with(&self, contents: &[u8], tar: &mut Vec<u8>) {
        Header { size: contents.len() as u64, ..*self }.put(tar);
        tar.extend_from_slice(contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
}

fn extended(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|length| length.to_string().len() + rest == *length).unwrap();
        out.extend_from_slice(format!("{length} {key}=").as_bytes());
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    out
}

fn put_file(name: &[u8], contents: &[u8], tar: &mut Vec<u8>) {
    Header { name, ..Header::default() }.put_with(contents, tar);
}

/// Entries of all kinds, and contents with cuts and holes in many places.
fn tar() -> Vec<u8> {
    let mut tar = Vec::new();
    Header { name: b"a folder/", flag: b'5', ..Header::default() }.put(&mut tar);
    Header { name: b"an old folder/", flag: 0, magic: &[0; 8], ..Header::default() }.put(&mut tar);
    Header { name: b"<link> & \"name\"\\", flag: b'2', link: b"t\xe4rget\x01\t\n\x7f", ..Header::default() }
        .put(&mut tar);
    Header { name: b"disk", flag: b'3', ..Header::default() }.put(&mut tar);
    Header { name: b"pipe", flag: b'6', magic: b"ustar  \0", ..Header::default() }.put(&mut tar);
    let mixed = data::mixed(900_000);
    let (zeros, text) = (vec![0; 300_000], data::text(200_000, 3));
    for (number, length) in [0, 1, 10, 4095, 4096, 4097, 65_536, 131_072, 400_000].into_iter().enumerate() {
        put_file(format!("mixed/{number}").as_bytes(), &mixed[length / 2..][..length], &mut tar);
    }
    put_file(b"text", &text, &mut tar);
    for (number, length) in [1, 1023, 1024, 1025, 4096, 131_073, 300_000].into_iter().enumerate() {
        let hole = &zeros[..length];
        put_file(format!("holes/{number}").as_bytes(), hole, &mut tar);
        let between = [hole, &text[..5000], hole, &mixed[..100_000], &zeros[..1023], b"x", hole].concat();
        put_file(format!("between/{number}").as_bytes(), &between, &mut tar);
    }
    let records: [(&str, &[u8]); 7] = [
        ("path", "a/long/päth/\u{2028}".as_bytes()),
        ("mtime", b"1700000000.120000"),
        ("atime", b"1600000000"),
        ("ctime", b"-1.5"),
        ("uid", b"4000000"),
        ("SCHILY.xattr.user.b", b"\0\x01\xff\xfe"),
        ("SCHILY.xattr.security.capability", b"\x01\0\0\x02\x20"),
    ];
    Header { name: b"PaxHeaders/1", flag: b'x', ..Header::default() }.put_with(&extended(&records), &mut tar);
    put_file(b"short", b"contents of a file with an extended header", &mut tar);
    let long = [b"very/".repeat(40).as_slice(), b"long\0"].concat();
    for flag in [b'L', b'K'] {
        Header { name: b"././@LongLink", flag, magic: b"ustar  \0", ..Header::default() }.put_with(&long, &mut tar);
    }
    Header { name: b"very", flag: b'1', link: b"very", magic: b"ustar  \0", ..Header::default() }.put(&mut tar);
    // A frame that is not kept in memory.
    put_file(b"seven", &vec![7; MAX_FRAME_BYTES + 3 * PART_BYTES + 1], &mut tar);
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn known(level: Level) -> Chunked {
    Chunked { generation: Generation::V1_38, encoder: Klauspost::new(Version::V1_15, level), has_contents: true }
}

/// The tar that a writer gets. Those up to 1.46 drop what is behind its end.
fn tar_for(known: Chunked) -> Vec<u8> {
    let mut tar = tar();
    if known.generation != Generation::V1_38 {
        tar.resize(tar.len() + 7168, 0);
        tar.extend_from_slice(b"behind the end");
    }
    tar
}

/// The recorded writers.
fn all() -> impl Iterator<Item = (Chunked, &'static str, usize, &'static str)> {
    RECORDED.into_iter().map(|(generation, version, level, argument, length, digest)| {
        let encoder = Klauspost::new(version, level);
        (Chunked { generation, encoder, has_contents: true }, argument, length, digest)
    })
}

/// A file that is written in parts.
fn file(known: Chunked, tar: &[u8], part_bytes: usize) -> Vec<u8> {
    let mut encoder = Reencoder::new(KnownEncoder::Chunked(known), tar.len() as u64);
    let mut out = Vec::new();
    tar.chunks(part_bytes).for_each(|part| encoder.write(part, &mut out));
    encoder.finish(&mut out);
    out
}

#[test]
fn files_are_the_recorded_ones() {
    for (number, (known, _, length, digest)) in all().enumerate() {
        let tar = tar_for(known);
        let part_bytes = [tar.len(), 1000, 65_537][number % 3];
        let file = file(known, &tar, part_bytes);
        let made = (file.len(), blake3::hash(&file).to_hex().to_string());
        assert_eq!(made, (length, digest.to_owned()), "{known} in parts of {part_bytes}");
    }
}

#[test]
#[ignore = "prints what the real writers make"]
fn record_zstd_chunked() {
    let programs = std::env::var("CHUNKED_PROGRAMS").expect("the programs, see above");
    for (number, program) in programs.split(',').enumerate() {
        for (known, argument, ..) in all().skip(2 * number).take(2) {
            let tar = tar_for(known);
            let mut child =
                Command::new(program).arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let output = std::thread::scope(|scope| {
                scope.spawn(|| {
                    input.write_all(&tar).unwrap();
                    drop(input);
                });
                child.wait_with_output().unwrap().stdout
            });
            let made = file(known, &tar, 1 << 16);
            let same = made.iter().zip(&output).take_while(|(made, real)| made == real).count();
            println!("{}, \"{}\" {known}, {same} made", output.len(), blake3::hash(&output).to_hex());
        }
    }
}

#[test]
fn frames_decode_to_the_tar() {
    let tar = tar();
    let file = file(known(Level::Fastest), &tar, 1 << 20);
    assert!(zstd::decode_all(&file[..]).unwrap() == tar);
}

#[test]
fn the_frames_alone_are_those_of_the_whole() {
    let (tar, known) = (tar(), known(Level::Fastest));
    let (whole, frames) = (file(known, &tar, 9999), file(Chunked { has_contents: false, ..known }, &tar, 9999));
    assert!(whole.len() > frames.len() + 100 && whole.starts_with(&frames));
    assert!(Chunked::candidates(&whole).any(|candidate| candidate == known));
    assert_eq!(Chunked::candidates(&frames).count(), 0);
}

/// What is no tar makes other bytes, and no harm.
#[test]
fn other_bytes_are_of_no_use() {
    let (tar, mut numbers) = (tar(), data::Numbers::new(7));
    let known =
        Chunked { encoder: Klauspost { window_log: 17, ..known(Level::Fastest).encoder }, ..known(Level::Fastest) };
    let mut encoder = Reencoder::new(KnownEncoder::Chunked(known), 0);
    for _ in 0..60 {
        let mut damaged = tar[..1 + numbers.below(300_000)].to_vec();
        for _ in 0..numbers.below(5) {
            let at = numbers.below(damaged.len());
            damaged[at] = numbers.below(256) as u8;
        }
        let mut out = Vec::new();
        encoder.write(&damaged, &mut out);
        encoder.finish(&mut out);
        encoder.restart(0);
        out.clear();
    }
    encoder.write(&tar, &mut Vec::new());
    encoder.restart(0);
    let mut out = Vec::new();
    encoder.write(&tar, &mut out);
    encoder.finish(&mut out);
    assert!(out == file(known, &tar, 1 << 20));
}

#[test]
fn writers_are_written_down_and_read() {
    for has_contents in [false, true] {
        for (known, ..) in all() {
            let known = KnownEncoder::Chunked(Chunked { has_contents, ..known });
            let mut written = Vec::new();
            known.put(&mut written);
            assert!(written.len() <= 16);
            assert_eq!(KnownEncoder::take(&mut &written[..]), Some(known));
            (0..written.len()).for_each(|end| assert_eq!(KnownEncoder::take(&mut &written[..end]), None));
        }
    }
    for form in [0, 6, 16, 22, 33] {
        assert_eq!(KnownEncoder::take(&mut &[0x80, 0x28, form, 0x30, 0x50, 25, 17, 0][..]), None, "{form}");
    }
    for wrong in [[0x30, 0x51, 25, 17, 0], [0x30, 0x50, 25, 17, 8]] {
        let written = [&[0x80, 0x28, 1][..], &wrong].concat();
        assert_eq!(KnownEncoder::take(&mut &written[..]), None, "{wrong:?}");
    }
}

/// Files whose end is missing are made frame by frame.
#[test]
fn frames_are_recognised_one_by_one() {
    for known in [known(Level::Fastest), Chunked { generation: Generation::V1_59, ..known(Level::Default) }] {
        let file = file(Chunked { has_contents: false, ..known }, &tar(), 1 << 20);
        let mut reader = ZstdReader::default();
        let (mut at, mut plain) = (0, Vec::new());
        while at < file.len() {
            at += reader.push(&file[at..], &mut plain, 1 << 20).unwrap().taken;
            plain.clear();
        }
        let frames = reader.parts().iter().filter_map(|part| match part {
            ZstdPart::Frame { stored, .. } => Some(stored.start as usize..stored.end as usize),
            _ => None,
        });
        for range in frames {
            assert!(crate::guess(&file[range.clone()]).is_some(), "{known} at {range:?} of {}", file.len());
        }
    }
}
