//! Disk images are divided, or refused. What a division says covers the image, front to back.

use regrow_disk::codec::decode;
use regrow_disk::{BlockCodec, Division, DivisionRules, StoredPiece, StretchKind, divide};

/// The input is an image.
pub fn run(input: &[u8]) {
    if let Ok(Some(division)) = divide(&input, DivisionRules::V6) {
        check(&division, input.len() as u64);
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
    let images: [&[u8]; 16] = [
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
        include_bytes!("../../disk/tests/golden/squashfs-noi.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-plain.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-xz.zlib"),
        include_bytes!("../../disk/tests/golden/squashfs-zstd.zlib"),
    ];
    images.iter().map(|image| decode(BlockCodec::Zlib, image, 1 << 16).expect("a seed")).collect()
}
