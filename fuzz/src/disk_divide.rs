//! Disk images are divided, or refused. What a division says covers the image, front to back.

use std::io;

use regrow_disk::codec::{BlockEncoder, decode};
use regrow_disk::{
    BlockCodec, Division, DivisionRules, ReadAt, Scratch, Spool, StoredPiece, StretchKind, divide, divide_with,
};

/// The input is an image.
pub fn run(input: &[u8]) {
    for scratch in [None, Some(&Memory as &dyn Scratch)] {
        if let Ok(Some(division)) = divide_with(&input, DivisionRules::V6, scratch) {
            check(&division, input.len() as u64);
        }
    }
    assert!(!matches!(divide(&input, DivisionRules::V5), Ok(Some(division)) if division.rules != DivisionRules::V5));
}

/// Streams are put aside in memory.
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

fn check(division: &Division, image_bytes: u64) {
    let plain: u64 = division.pieces.iter().map(StoredPiece::plain_bytes).sum();
    assert_eq!(division.pieces.iter().map(|piece| piece.bytes).sum::<u64>(), image_bytes);
    assert_eq!(division.plain_bytes(), plain);
    assert!(division.pieces.iter().all(|piece| piece.bytes > 0 && piece.plain_bytes() > 0));
    assert!(division.stretches.len() as u64 <= 2 + plain / 512);
    for stretch in &division.stretches {
        assert!(stretch.bytes > 0);
        assert!(!matches!(stretch.kind, StretchKind::File(number) if number as usize >= division.files.len()));
    }
    assert!(!division.details.contains(char::is_control));
}

/// Seeds: the small images that the crate keeps.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let images: [&[u8]; 18] = [
        include_bytes!("../../disk/tests/golden/bundle.zlib"),
        include_bytes!("../../disk/tests/golden/cpio.zlib"),
        include_bytes!("../../disk/tests/golden/erofs-chunks.zlib"),
        include_bytes!("../../disk/tests/golden/erofs-lz4hc-full.zlib"),
        include_bytes!("../../disk/tests/golden/erofs-lz4hc.zlib"),
        include_bytes!("../../disk/tests/golden/erofs.zlib"),
        include_bytes!("../../disk/tests/golden/ext2.zlib"),
        include_bytes!("../../disk/tests/golden/ext4.zlib"),
        include_bytes!("../../disk/tests/golden/fat12.zlib"),
        include_bytes!("../../disk/tests/golden/gpt.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-gzip.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-lz4.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-lzo.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-noi.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-plain.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-xz.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-zstd.zlib"),
        include_bytes!("../../disk/tests/golden/btrfs.zlib"),
    ];
    let mut seeds: Vec<Vec<u8>> =
        images.iter().map(|image| decode(BlockCodec::Zlib, image, 1 << 18).expect("a seed")).collect();
    // An archive, compressed, alone and behind another one.
    let stream = BlockEncoder::take(&mut [0xb0, 0x40, 6, 0x80, 0x80, 4, 1, 0].as_slice()).expect("an encoder of xz");
    let compressed = stream.encode(&seeds[1]).expect("an .xz file");
    seeds.push([seeds[1].as_slice(), &[0; 8], &compressed].concat());
    seeds.push(compressed);
    seeds
}
