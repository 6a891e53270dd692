//! Compressed images are divided by what they hold, whatever compressed them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "compressed/kernels.rs"]
mod kernels;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use regrow_disk::codec::{BlockEncoder, StreamReader, decode};
use regrow_disk::{
    DiskError, DiskKind, Division, DivisionRules, ReadAt, Scratch, Spool, StoredForm, StretchKind, divide, divide_with,
};

/// Spools in memory.
struct Memory;

struct MemorySpool(Vec<u8>);

impl Scratch for Memory {
    fn spool(&self) -> io::Result<Box<dyn Spool>> {
        Ok(Box::new(MemorySpool(Vec::new())))
    }
}

impl Spool for MemorySpool {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for MemorySpool {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.0.as_slice().read_exact_at(out, at)
    }
}

fn divided(image: &[u8]) -> Result<Option<Division>, DiskError> {
    divide_with(&image, DivisionRules::V6, Some(&Memory))
}

fn entry(mode: u32, name: &str, data: &[u8]) -> Vec<u8> {
    let mut fields = [0; 13];
    (fields[1], fields[6], fields[11]) = (mode, data.len() as u32, name.len() as u32 + 1);
    let mut out = b"070701".to_vec();
    fields.iter().for_each(|field| out.extend(format!("{field:08X}").bytes()));
    out.extend(name.bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// Bytes that hardly compress, and others that do.
fn bytes_of(number: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"etaoin shrdlucmf"[(state >> 60) as usize]
    };
    (0..len).map(next).collect()
}

fn archive(first: u32, count: u32) -> Vec<u8> {
    let mut out = entry(0o040_755, "lib", b"");
    for number in first..first + count {
        let data = bytes_of(number, 700 + number as usize * 1771);
        out.extend(entry(0o100_644, &format!("lib/{number}"), &data));
    }
    [out, entry(0, "TRAILER!!!", b"")].concat()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

fn finish(mut encoder: Stream, plain: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    loop {
        out.reserve(64 << 10);
        let before = encoder.total_in();
        let status = encoder.process_vec(&plain[at..], out, Action::Finish).unwrap();
        at += (encoder.total_in() - before) as usize;
        if status == Status::StreamEnd {
            return;
        }
    }
}

/// An .xz file with a block for each of these pieces, for code of x86 or not.
fn xz(pieces: &[&[u8]], x86: bool) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(6).unwrap();
    options.dict_size(1 << 20);
    let mut filters = Filters::new();
    if x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let mut encoder = Stream::new_stream_encoder(&filters, Check::Crc32).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        let mut at = 0;
        loop {
            out.reserve(64 << 10);
            let before = encoder.total_in();
            let status = encoder.process_vec(&piece[at..], &mut out, Action::FullFlush).unwrap();
            at += (encoder.total_in() - before) as usize;
            if status == Status::StreamEnd {
                break;
            }
        }
    }
    finish(encoder, &[], &mut out);
    out
}

fn lz4_block(plain: &[u8]) -> Vec<u8> {
    BlockEncoder::take(&mut [0xa1, 0x40, 9].as_slice()).unwrap().encode(plain).unwrap()
}

/// A frame with blocks of at most 64 KiB, the second of which is stored, without checksums.
fn lz4(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    for (number, piece) in plain.chunks(64 << 10).enumerate() {
        let (block, stored) = if number == 1 { (piece.to_vec(), 1 << 31) } else { (lz4_block(piece), 0) };
        out.extend((block.len() as u32 | stored).to_le_bytes());
        out.extend(block);
    }
    out.extend([0; 4]);
    out
}

fn lz4_legacy(plain: &[u8]) -> Vec<u8> {
    let block = lz4_block(plain);
    [&[0x02, 0x21, 0x4c, 0x18], (block.len() as u32).to_le_bytes().as_slice(), &block].concat()
}

/// Every way to compress an image.
fn ways(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (first, second) = plain.split_at(plain.len() / 3);
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], b"abc".as_slice()].concat();
    vec![
        ("gzip", gzip(plain)),
        ("gzip", [gzip(first), gzip(second)].concat()),
        ("zstd", zstd(plain)),
        ("zstd", [skippable, zstd(first), zstd(second)].concat()),
        ("xz", xz(&[plain], false)),
        ("xz", xz(&[first, second], true)),
        ("xz", [xz(&[first], false), xz(&[second], false)].concat()),
        ("lz4", lz4(plain)),
        ("lz4", lz4_legacy(plain)),
    ]
}

/// The plain image that the pieces of an image make.
fn plain_of(image: &[u8], division: &Division) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::new(), 0);
    for piece in &division.pieces {
        let stored = &image[at..at + piece.bytes as usize];
        at += piece.bytes as usize;
        match piece.form {
            StoredForm::Plain => plain.extend_from_slice(stored),
            StoredForm::HashTree => {}
            StoredForm::Block { codec, plain_bytes } | StoredForm::Filled { codec, plain_bytes, .. } => {
                plain.extend(decode(codec, stored, plain_bytes as usize).unwrap());
            }
            StoredForm::Stream { codec, plain_bytes } => {
                let (mut reader, mut out, mut taken) = (StreamReader::new(codec).unwrap(), Vec::new(), 0);
                loop {
                    let step = reader.push(&stored[taken..], &mut out, 10_000).unwrap();
                    taken += step.taken;
                    if step.ended {
                        break;
                    }
                }
                assert_eq!((taken, out.len() as u64), (stored.len(), plain_bytes));
                plain.extend(out);
            }
        }
    }
    assert_eq!(at, image.len());
    plain
}

/// Checks that a division covers an image, and that it gives these files.
fn check(image: &[u8], division: &Division, numbers: std::ops::Range<u32>) {
    let plain = plain_of(image, division);
    let (mut at, mut files) = (0, vec![Vec::new(); division.files.len()]);
    for stretch in &division.stretches {
        let end = at + stretch.bytes as usize;
        if let StretchKind::File(number) = stretch.kind {
            files[number as usize].extend_from_slice(&plain[at..end]);
        }
        at = end;
    }
    assert_eq!(at, plain.len());
    assert_eq!(files.len(), numbers.len());
    for number in numbers.clone() {
        let place = (number - numbers.start) as usize;
        assert_eq!(division.files[place].path, format!("lib/{number}").as_bytes());
        let data = bytes_of(number, 700 + number as usize * 1771);
        // A file that ends in skeleton is shorter.
        assert!(files[place] == data || files[place].is_empty() || data.starts_with(&files[place]), "{number}");
    }
}

#[test]
fn images_are_divided_by_what_they_hold() {
    let plain = archive(0, 30);
    let bare = divide(&plain.as_slice(), DivisionRules::V6).unwrap().unwrap();
    assert_eq!(bare.rules, DivisionRules::V5);
    for (number, (name, image)) in ways(&plain).into_iter().enumerate() {
        let division = divided(&image).unwrap().unwrap_or_else(|| panic!("{number}"));
        assert_eq!(division.kind, DiskKind::Cpio);
        assert_eq!(division.details, format!("cpio, 1 archive, in {name}"));
        assert_eq!(division.rules, DivisionRules::V6);
        assert!(division.has_blocks());
        check(&image, &division, 0..30);
        // Without a place for what they hold, and by earlier rules, they are no disk images.
        assert_eq!(divide(&image.as_slice(), DivisionRules::V6).unwrap(), None);
        assert_eq!(divide_with(&image.as_slice(), DivisionRules::V5, Some(&Memory)).unwrap(), None);
    }
}

#[test]
fn an_initramfs_goes_on_compressed() {
    let (early, main, last) = (archive(0, 3), archive(3, 20), archive(23, 4));
    for (name, compressed) in ways(&main) {
        let mut image = [early.as_slice(), &[0; 340], &compressed].concat();
        let words = format!("cpio, 1 archive; cpio, 1 archive, in {name}");
        for zeros in [0, 1, 100] {
            image.resize(image.len() + zeros, 0);
            let division = divided(&image).unwrap().unwrap();
            assert_eq!((division.kind, division.rules), (DiskKind::Cpio, DivisionRules::V6));
            assert_eq!(division.details, words);
            check(&image, &division, 0..23);
        }
        image.resize(image.len().next_multiple_of(512), 0);
        image.extend_from_slice(&last);
        let division = divided(&image).unwrap().unwrap();
        check(&image, &division, 0..27);
        // What cannot be read is the system's, as by earlier rules.
        let by_earlier = divide(&image.as_slice(), DivisionRules::V5).unwrap().unwrap();
        assert_eq!(by_earlier.files.len(), 3);
        image[early.len() + 340 + compressed.len() / 2] ^= 0x55;
        if let Some(division) = divided(&image).unwrap().filter(|division| !division.has_blocks()) {
            assert_eq!(division.stretches, by_earlier.stretches);
        }
    }
}

#[test]
fn compressed_files_of_archives_are_divided_if_they_hold_images() {
    let inner = archive(0, 40);
    let padded = [inner, vec![0; 60], bytes_of(7, 3 << 20)].concat();
    let file = gzip(&padded);
    assert!(file.len() > 1 << 20);
    let image = [entry(0o100_644, "root.cpio.gz", &file), entry(0, "TRAILER!!!", b"")].concat();
    let division = divided(&image).unwrap().unwrap();
    assert_eq!(division.details, "cpio, 1 archive; root.cpio.gz: cpio, 1 archive, in gzip");
    assert_eq!(division.files.len(), 40);
    assert_eq!(division.files[3].path, b"root.cpio.gz/lib/3");
    plain_of(&image, &division);
    // Another file stays one.
    let file = gzip(&bytes_of(1, 4 << 20));
    let image = [entry(0o100_644, "noise.gz", &file), entry(0, "TRAILER!!!", b"")].concat();
    let division = divided(&image).unwrap().unwrap();
    assert_eq!((division.files.len(), division.rules, division.has_blocks()), (1, DivisionRules::V5, false));
}

#[test]
fn what_holds_no_image() {
    let noise = bytes_of(9, 300_000);
    for (name, image) in ways(&noise) {
        let division = divided(&image).unwrap();
        if let "gzip" | "zstd" = name {
            // They are seen through as files.
            assert_eq!(division, None, "{name}");
            continue;
        }
        let division = division.unwrap();
        assert_eq!((division.kind, division.details), (DiskKind::Compressed, format!("a file, in {name}")));
        assert_eq!(division.files[0].path, b"data");
    }
    // Whoever divides does not know tars here.
    let mut tar = vec![0; 10_240];
    tar[257..262].copy_from_slice(b"ustar");
    for (name, image) in ways(&tar) {
        let kind = divided(&image).unwrap().map(|division| division.kind);
        assert_eq!(kind, (!matches!(name, "gzip" | "zstd")).then_some(DiskKind::Compressed), "{name}");
    }
}

#[test]
fn damaged_images_and_bombs_are_refused() {
    let plain = archive(0, 12);
    for (name, image) in ways(&plain) {
        for end in (0..image.len()).step_by(image.len() / 60).chain(image.len() - 16..image.len()) {
            if let Ok(Some(division)) = divided(&image[..end]) {
                // It ends with the last member or frame that is whole.
                plain_of(&image[..end], &division);
            }
            let mut damaged = image.clone();
            damaged[end] ^= 0x10;
            if let Ok(Some(division)) = divided(&damaged) {
                let bytes: u64 = division.pieces.iter().map(|piece| piece.bytes).sum();
                assert_eq!(bytes, damaged.len() as u64, "{name}");
            }
        }
    }
    // An archive with a file of zeros, which takes next to nothing.
    let bomb = [archive(0, 2), entry(0o100_644, "zeros", &vec![0; 80 << 20])].concat();
    for image in [gzip(&bomb), zstd(&bomb)] {
        assert_eq!(divided(&image).unwrap(), None);
    }
    let error = divided(&xz(&[&bomb], false)).unwrap_err().to_string();
    assert_eq!(error, "it is xz-compressed, and holds far more than it has bytes itself");
}

#[test]
fn forms_that_are_not_read_are_named() {
    let plain = archive(0, 3);
    let mut options = LzmaOptions::new_preset(0).unwrap();
    let mut filters = Filters::new();
    filters.lzma2(options.dict_size(48 << 20));
    let mut image = Vec::new();
    finish(Stream::new_stream_encoder(&filters, Check::Crc64).unwrap(), &plain, &mut image);
    let error = divided(&image).unwrap_err().to_string();
    assert!(error.contains("a dictionary of more than 32 MiB"), "{error}");
    // The place of the filter's number in the block's header.
    let mut image = xz(&[&plain], false);
    image[14] = 3;
    let error = divided(&image).unwrap_err().to_string();
    assert_eq!(error, "it is xz-compressed, with filters that regrow does not know");
    let mut image = lz4(&plain);
    image[4] &= !0x20;
    let error = divided(&image).unwrap_err().to_string();
    assert!(error.contains("depend on those before them"), "{error}");
}
