//! Small images that are kept with their divisions (golden/), for machines without the tools; and what is left of them
//! when they are cut off or damaged.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use regrow_disk::codec::decode;
use regrow_disk::{
    BlockCodec, DiskError, Division, DivisionRules, ReadAt, Scratch, Spool, StoredForm, StretchKind, divide_with,
};

use crate::tree::noise;

/// The folder of the images.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The images, by their names.
fn images() -> Vec<(String, Vec<u8>)> {
    let mut images = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "zlib") {
            let image = decode(BlockCodec::Zlib, &fs::read(&path).expect("an image"), 1 << 20).expect("zlib");
            images.push((path.file_stem().expect("a name").to_string_lossy().into_owned(), image));
        }
    }
    images.sort();
    images
}

/// Spools in memory.
struct Memory;

#[derive(Default)]
struct MemorySpool(Vec<u8>);

impl Scratch for Memory {
    fn spool(&self) -> io::Result<Box<dyn Spool>> {
        Ok(Box::<MemorySpool>::default())
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

fn division_of(image: &[u8]) -> Result<Option<Division>, DiskError> {
    divide_with(&image, DivisionRules::V6, Some(&Memory))
}

/// A division as text: blocks, then stretches, each with its place.
fn described(division: &Division) -> String {
    let mut out = format!("{}\n", division.details);
    let mut at = 0;
    for piece in &division.pieces {
        if let StoredForm::Block { codec, plain_bytes } = piece.form {
            writeln!(out, "block {at} {} {codec} {plain_bytes}", piece.bytes).expect("written");
        }
        if let StoredForm::Filled { codec, plain_bytes, behind } = piece.form {
            writeln!(out, "filled {at} {} {codec} {plain_bytes} {behind}", piece.bytes).expect("written");
        }
        if let StoredForm::Stream { codec, plain_bytes } = piece.form {
            writeln!(out, "stream {at} {} {codec} {plain_bytes}", piece.bytes).expect("written");
        }
        if piece.form == StoredForm::HashTree {
            let tree = division.tree.as_ref().expect("a tree");
            writeln!(out, "hash tree {at} {} {} {:02x?}", piece.bytes, tree.data_blocks, tree.salt).expect("written");
        }
        at += piece.bytes;
    }
    let mut at = 0;
    for stretch in &division.stretches {
        let kind = match stretch.kind {
            StretchKind::File(number) => String::from_utf8_lossy(&division.files[number as usize].path),
            StretchKind::System => "- system".into(),
            StretchKind::Skeleton => "- skeleton".into(),
        };
        writeln!(out, "{at} {} {kind}", stretch.bytes).expect("written");
        at += stretch.bytes;
    }
    out
}

/// Checks what holds for any division.
fn check(division: &Division, image: &[u8]) {
    let is_plain = |form| form == StoredForm::Plain;
    let plain_bytes: u64 = division.pieces.iter().map(regrow_disk::StoredPiece::plain_bytes).sum();
    assert_eq!(division.pieces.iter().map(|piece| piece.bytes).sum::<u64>(), image.len() as u64);
    assert_eq!(division.plain_bytes(), plain_bytes);
    assert!(division.pieces.iter().all(|piece| piece.bytes > 0));
    assert!(!division.pieces.windows(2).any(|pair| is_plain(pair[0].form) && is_plain(pair[1].form)));
    assert!(division.stretches.len() as u64 <= 2 + plain_bytes / 512);
    let known = |kind| !matches!(kind, StretchKind::File(number) if number as usize >= division.files.len());
    assert!(division.stretches.iter().all(|stretch| stretch.bytes > 0 && known(stretch.kind)));
    assert!(!division.details.is_empty() && !division.details.contains(char::is_control));
}

#[test]
fn golden_images_are_divided_as_ever() {
    let images = images();
    assert!(images.len() >= 16);
    for (name, image) in images {
        let path = folder().join(format!("{name}.txt"));
        let division = division_of(&image).unwrap_or_else(|error| panic!("{name}: {error}")).expect("an image");
        check(&division, &image);
        let found = described(&division);
        if std::env::var_os("REGROW_WRITE_GOLDEN").is_some() && !path.exists() {
            fs::write(&path, &found).expect("written");
        }
        assert_eq!(found, fs::read_to_string(&path).expect("the division"), "{name}");
    }
}

/// Whatever is cut off, the rest is divided, or the reason is told.
#[test]
fn images_that_are_cut_off_are_divided_or_refused() {
    for (_, image) in images() {
        for end in (0..image.len()).step_by(131) {
            if let Ok(Some(division)) = division_of(&image[..end]) {
                check(&division, &image[..end]);
            }
        }
    }
}

/// Each image with numbers in its tables changed, often and at random, but the same each time.
#[test]
fn damaged_images_are_divided_or_refused() {
    let mut divided = 0;
    for (name, image) in images() {
        // Bytes that are not zero, since tables are among them.
        let places: Vec<usize> = (0..image.len()).filter(|&at| image[at] != 0 && !is_text(&image, at)).collect();
        let random = noise(name.len() as u64, 1500 * 16);
        for round in random.chunks_exact(16) {
            let mut damaged = image.clone();
            for change in round.chunks_exact(4).take(1 + usize::from(round[0] % 4)) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
                let at = places[at % places.len()];
                let value = [0, 1, 0x7f, 0x80, 0xff, change[2]][usize::from(change[3] % 6)];
                damaged[at] = value;
                if change[3] > 200 {
                    damaged[at..].iter_mut().take(4).for_each(|byte| *byte = value);
                }
            }
            if let Ok(Some(division)) = division_of(&damaged) {
                check(&division, &damaged);
                divided += 1;
            }
        }
    }
    assert!(divided > 1000, "{divided} of them are divided");
}

/// Whether a byte is in the contents of a file.
fn is_text(image: &[u8], at: usize) -> bool {
    image[at.saturating_sub(8)..at].iter().all(|byte| byte.is_ascii_digit() || *byte == b'\n')
}
