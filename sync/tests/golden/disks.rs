//! The disk images behind the golden files, which `disk/tests/golden` has.

use std::path::Path;

use regrow_disk::BlockCodec;
use regrow_disk::codec::decode;

/// The images with compressed blocks, by their names.
pub(crate) fn coded_disks() -> Vec<(&'static str, Vec<u8>)> {
    let mut kept = golden_disk("squashfs-gzip");
    // The header of this block says that zlib tried little, as at level 1, which makes another stream of it. So no encoder
    // makes the block, and it is kept.
    assert_eq!(kept[9941..9943], [0x78, 0xda]);
    kept[9942] = 0x01;
    vec![
        ("gzip", golden_disk("squashfs-gzip")),
        ("xz", golden_disk("squashfs-xz")),
        ("lz4", golden_disk("squashfs-lz4")),
        ("kept", kept),
        // Some of its frames are by libzstd 1.5.4, and follow from those of 1.5.7.
        ("corrected", golden_disk("squashfs-numbers")),
    ]
}

/// An image.
pub(crate) fn golden_disk(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/golden").join(name).with_extension("zlib");
    decode(BlockCodec::Zlib, &std::fs::read(path).expect("an image"), 1 << 20).expect("a zlib stream")
}
