//! Tars in .xz and lz4 files are divided into the files of their entries.

use std::fmt::Write;

use regrow_disk::{DiskError, DiskKind, Division, DivisionRules, StretchKind, divide_with};

use super::*;
use crate::coded::SpoolFolder;

/// A tar in xz with small files, long paths, links, and a tar in it; and its division.
const GOLDEN: &[u8] = include_bytes!("golden/root.tar.xz");
const DIVIDED: &str = include_str!("golden/root.txt");

fn divided(image: &[u8]) -> Result<Option<Division>, DiskError> {
    let scratch = tempfile::tempdir().unwrap();
    divide_with(&image, DivisionRules::V6, Some(&SpoolFolder(scratch.path())))
}

/// A division as text: pieces, then stretches.
fn described(division: &Division) -> String {
    let mut out = format!("{}\n", division.details);
    for piece in &division.pieces {
        let words = match piece.form {
            StoredForm::Plain => String::from("plain"),
            StoredForm::Stream { codec, plain_bytes } => format!("{codec} {plain_bytes}"),
            StoredForm::Block { codec, plain_bytes } => format!("{codec} {plain_bytes}"),
            other => format!("{other:?}"),
        };
        writeln!(out, "{} {words}", piece.bytes).unwrap();
    }
    for stretch in &division.stretches {
        let kind = match stretch.kind {
            StretchKind::File(number) => String::from_utf8_lossy(&division.files[number as usize].path),
            StretchKind::System => "- system".into(),
            StretchKind::Skeleton => "- skeleton".into(),
        };
        writeln!(out, "{} {kind}", stretch.bytes).unwrap();
    }
    out
}

fn header(name: &str, bytes: usize, flag: u8) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{bytes:011o}").as_bytes());
    header[156] = flag;
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

/// An lz4 frame with one block that is stored as it is.
fn stored_lz4(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
    for block in plain.chunks(4 << 20) {
        out.extend((block.len() as u32 | 1 << 31).to_le_bytes());
        out.extend(block);
    }
    out.extend([0; 4]);
    out
}

#[test]
fn golden_tar_is_divided_as_ever() {
    let division = divided(GOLDEN).unwrap().unwrap();
    assert_eq!(described(&division), DIVIDED);
    assert_eq!((division.kind, division.rules), (DiskKind::Tar, DivisionRules::V6));
    let pieces = division.pieces.iter().map(StoredPiece::plain_bytes).sum::<u64>();
    assert_eq!(pieces, division.plain_bytes());
    // Without the rules for compressed images, and without a place for what they hold, it is none.
    let scratch = tempfile::tempdir().unwrap();
    let place = SpoolFolder(scratch.path());
    assert!(divide_with(&GOLDEN, DivisionRules::V5, Some(&place)).unwrap().is_none());
    assert!(divide_with(&GOLDEN, DivisionRules::V6, None).unwrap().is_none());
}

#[test]
fn what_belongs_to_no_entry_is_the_systems() {
    let tar = [header("./a", 2000, b'0'), vec![b'a'; 2048], vec![7; 3000]].concat();
    let division = divided(&stored_lz4(&tar)).unwrap().unwrap();
    assert_eq!(
        described(&division).lines().skip(2).collect::<Vec<_>>(),
        ["523 - skeleton", "2000 a", "48 - skeleton", "3000 - system", "4 - skeleton"]
    );
}

#[test]
fn limits_make_it_one_file() {
    // Paths of more than 4,096 bytes are left out.
    let long = vec![b'p'; 5000];
    let entry = [header("L", long.len(), b'L'), long, vec![0; 120], header("x", 600, b'0'), vec![1; 1024]].concat();
    let division = divided(&stored_lz4(&entry)).unwrap().unwrap();
    assert_eq!((division.kind, division.files[0].path.len()), (DiskKind::Tar, 0));
    // 65,536 files are allowed, and one for each 16 bytes. They are all the same, so that they take few.
    let one = [header("y", 1, b'0'), vec![1; 512]].concat();
    let tar = one.repeat(105_000);
    let encoder = BlockEncoder::take(&mut [0xa0, 0x40, 1].as_slice()).unwrap();
    let mut image = vec![0x02, 0x21, 0x4c, 0x18];
    for block in tar.chunks(8 << 20) {
        let coded = encoder.encode(block).unwrap();
        image.extend((coded.len() as u32).to_le_bytes());
        image.extend(coded);
    }
    let division = divided(&image).unwrap().unwrap();
    assert_eq!((division.kind, division.files.len()), (DiskKind::Compressed, 1));
}

#[test]
fn damaged_tars_cover_what_they_have() {
    for end in (512..20_000).step_by(777) {
        let plain: Vec<u8> = header("z", 9000, b'0').into_iter().chain((0..end).map(|n| (n % 251) as u8)).collect();
        let division = divided(&stored_lz4(&plain)).unwrap().unwrap();
        assert_eq!(division.plain_bytes(), stored_lz4(&plain).len() as u64);
    }
}
