//! Blocks that mksquashfs makes are recognised and made again. Without mksquashfs, the tests pass over.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and say what they pass over")]

use std::path::Path;
use std::process::Command;

use flate2::{Decompress, FlushDecompress, Status};
use regrow_disk::codec::{BlockEncoder, decode, nearest, recognise};
use regrow_disk::{BlockCodec, DivisionRules, StoredForm, StoredPiece, divide};

/// The place of the superblock's field that says where the table of inodes begins, behind the last data block.
const INODE_TABLE_AT: usize = 64;
const SUPERBLOCK_BYTES: usize = 96;
/// The place of the superblock's flags, the one that says that the compressor's options follow, and their size.
const FLAGS_AT: usize = 24;
const HAS_OPTIONS: u16 = 0x400;
const OPTIONS_BYTES: usize = 10;

/// The squashfs that mksquashfs makes of this crate's and of regrow-deflate's sources, or nothing if there is no mksquashfs.
fn squashfs(options: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("mksquashfs");
    command.args([&sources.join("src"), &sources.join("../deflate/src"), &image]);
    let made = command.args(["-quiet", "-no-progress", "-noappend", "-comp"]).args(options).output();
    match made {
        Ok(output) if output.status.success() => Some(std::fs::read(image).unwrap()),
        _ => {
            println!("passed over: mksquashfs -comp {} is not to be had", options.join(" "));
            None
        }
    }
}

/// The zlib streams between the superblock and the inodes, as they are stored and with their plain bytes. Blocks that are
/// not compressed end the list.
fn zlib_streams(image: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let end = u64::from_le_bytes(*image[INODE_TABLE_AT..].first_chunk().unwrap()) as usize;
    let has_options = u16::from_le_bytes(*image[FLAGS_AT..].first_chunk().unwrap()) & HAS_OPTIONS != 0;
    let (mut at, mut found) = (SUPERBLOCK_BYTES + if has_options { OPTIONS_BYTES } else { 0 }, Vec::new());
    while at < end {
        let (mut inflater, mut plain) = (Decompress::new(true), vec![0; 1 << 20]);
        let Ok(Status::StreamEnd) = inflater.decompress(&image[at..end], &mut plain, FlushDecompress::Finish) else {
            break;
        };
        plain.truncate(inflater.total_out() as usize);
        let stored = &image[at..at + inflater.total_in() as usize];
        at += stored.len();
        found.push((stored, plain));
    }
    found
}

#[test]
fn gzip_blocks_of_any_level_are_made_again() {
    for (options, name) in [
        (["gzip", "-b", "131072", "-Xcompression-level", "9"], "zlib, level 9"),
        (["gzip", "-b", "4096", "-Xcompression-level", "6"], "zlib, level 6"),
        (["gzip", "-b", "1048576", "-Xcompression-level", "1"], "zlib, level 1"),
        (["gzip", "-b", "65536", "-Xcompression-level", "4"], "zlib, level 4"),
    ] {
        let Some(image) = squashfs(&options) else { continue };
        let blocks = zlib_streams(&image);
        assert!(!blocks.is_empty());
        let samples: Vec<(&[u8], &[u8])> = blocks.iter().take(4).map(|(stored, plain)| (*stored, &**plain)).collect();
        let known = recognise(BlockCodec::Zlib, &samples).next().unwrap();
        assert_eq!(known.to_string(), name);
        let mut written = Vec::new();
        known.put(&mut written);
        assert_eq!(BlockEncoder::take(&mut written.as_slice()), Some(known));
        for (stored, plain) in &blocks {
            assert!(known.encode(plain).unwrap() == *stored, "{name}");
            assert!(decode(BlockCodec::Zlib, stored, plain.len()).unwrap() == *plain);
        }
    }
}

/// Blocks of the tables, of which each has a header that tells its size, are enough to tell whether an encoder is right.
#[test]
fn blocks_of_a_divided_squashfs_are_made_again() {
    for (options, name) in [
        (["xz", "-b", "131072"].as_slice(), "liblzma, preset 6, dictionary of 128 KiB"),
        (&["xz", "-b", "65536", "-Xdict-size", "50%"], "liblzma, preset 6, dictionary of 32 KiB"),
        (&["gzip", "-b", "131072"], "zlib, level 9"),
        (&["lz4", "-b", "131072", "-Xhc"], "liblz4, high compression, level 12"),
        (&["lz4", "-b", "1048576"], "liblz4, default level"),
        (&["lzo", "-b", "131072"], "liblzo2, lzo1x_999, level 8"),
        (&["lzo", "-b", "1048576", "-Xcompression-level", "3"], "liblzo2, lzo1x_999, level 3"),
        (&["lzo", "-b", "65536", "-Xalgorithm", "lzo1x_1"], "liblzo2, lzo1x_1"),
        (&["lzo", "-b", "4096", "-Xalgorithm", "lzo1x_1_11"], "liblzo2, lzo1x_1_11"),
    ] {
        let Some(image) = squashfs(options) else { continue };
        let blocks = blocks_of(&image);
        let (codec, stored, plain) = blocks.iter().max_by_key(|(_, stored, _)| stored.len()).unwrap();
        let known = recognise(*codec, &[(stored, plain)]).next().unwrap();
        assert_eq!(known.to_string(), name);
        for (codec, stored, plain) in &blocks {
            // The tables of an xz image have a dictionary of their own.
            let is_same = known.encode(plain).unwrap() == *stored;
            assert!(is_same || recognise(*codec, &[(stored, plain)]).next().is_some(), "{name}");
        }
    }
}

/// The blocks of a squashfs, as they are stored and with their plain bytes.
fn blocks_of(image: &[u8]) -> Vec<(BlockCodec, &[u8], Vec<u8>)> {
    let mut at = 0;
    let pieces = divide(&image, DivisionRules::V6).unwrap().unwrap().pieces;
    let block = |piece: &StoredPiece| {
        let stored = &image[at..at + piece.bytes as usize];
        at += stored.len();
        let StoredForm::Block { codec, plain_bytes } = piece.form else { return None };
        let plain = decode(codec, stored, plain_bytes as usize).unwrap();
        assert_eq!(plain.len(), plain_bytes as usize);
        Some((codec, stored, plain))
    };
    pieces.iter().filter_map(block).collect()
}

/// Whatever version of libzstd mksquashfs has, its blocks follow from what this one makes.
#[test]
fn blocks_of_any_libzstd_are_made_again_or_corrected() {
    let Some(image) = squashfs(&["zstd", "-b", "65536"]) else { return };
    let blocks = blocks_of(&image);
    let (codec, stored, plain) = blocks.iter().max_by_key(|(_, stored, _)| stored.len()).unwrap();
    let known = recognise(*codec, &[(stored, plain)]).next().or_else(|| nearest(*codec, stored, plain)).unwrap();
    assert!(known.to_string().contains("level 15"), "{known}");
    let (mut corrected, mut bytes) = (0, 0);
    for (_, stored, plain) in &blocks {
        if known.encode(plain).unwrap() == *stored {
            continue;
        }
        let corrections = known.corrections(stored, plain, stored.len()).unwrap();
        assert!(known.encode_corrected(plain, &corrections).unwrap() == *stored);
        (corrected, bytes) = (corrected + 1, bytes + corrections.len());
    }
    println!("{corrected} of {} blocks corrected, by {bytes} bytes", blocks.len());
    let all: usize = blocks.iter().map(|(_, stored, _)| stored.len()).sum();
    assert!(bytes < all / 20, "{bytes} of {all}");
}
