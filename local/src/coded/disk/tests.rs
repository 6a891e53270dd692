//! A disk image is proved, read and made again: the same pieces, the same bytes.

mod filled;
mod held;
mod make;
mod streams;
mod tar;
mod tree;

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use regrow_disk::codec::BlockEncoder;
use regrow_disk::{BlockCodec, ReadAt, SizedFile, StoredForm, StoredPiece};

use super::*;
use crate::coded::{PlainFile, Starts, Unfolded};

/// A disk image that is put together.
#[derive(Default)]
struct Image {
    stored: Vec<u8>,
    plain: Vec<u8>,
    pieces: Vec<StoredPiece>,
}

impl Image {
    fn plain(&mut self, bytes: &[u8]) {
        self.stored.extend_from_slice(bytes);
        self.plain.extend_from_slice(bytes);
        self.pieces.push(StoredPiece { bytes: bytes.len() as u64, form: StoredForm::Plain });
    }

    fn stored_block(&mut self, stored: &[u8], plain: &[u8]) {
        self.stored.extend_from_slice(stored);
        self.plain.extend_from_slice(plain);
        let form = StoredForm::Block { codec: BlockCodec::Zlib, plain_bytes: plain.len() as u32 };
        self.pieces.push(StoredPiece { bytes: stored.len() as u64, form });
    }

    /// A block by zlib at a level.
    fn block(&mut self, level: u8, plain: &[u8]) {
        let encoder = BlockEncoder::take(&mut [0x80, 0x40, level, 15, 8].as_slice()).unwrap();
        self.stored_block(&encoder.encode(plain).unwrap(), plain);
    }

    /// A block by an encoder that is not known.
    fn odd_block(&mut self, plain: &[u8]) {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(3));
        let (first, second) = plain.split_at(plain.len() / 2);
        encoder.write_all(first).unwrap();
        encoder.flush().unwrap();
        encoder.write_all(second).unwrap();
        self.stored_block(&encoder.finish().unwrap(), plain);
    }
}

fn text(bytes: usize, seed: u32) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect()
}

/// An image like a squashfs: data blocks, fragments of other sizes, and tables whose blocks have headers.
fn image() -> Image {
    let mut image = Image::default();
    image.plain(&[1; 96]);
    (0..90).for_each(|number| image.block(9, &text(32_768, number)));
    (0..20).for_each(|number| image.block(9, &text(30_000 + number as usize * 100, 1000 + number)));
    image.plain(&text(70_000, 7));
    for number in 0..9 {
        image.plain(&[7, 8]);
        image.block(9, &text(8192, 2000 + number));
    }
    image.plain(&[2; 4000]);
    image
}

fn prove(image: &Image) -> DiskProof {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    let file = SizedFile { file: &file, bytes: image.stored.len() as u64 };
    prove_disk(&file, (&image.pieces, None), &Pool::new()).unwrap()
}

#[track_caller]
fn proved(image: &Image) -> regrow_index::DiskCoding {
    let coding = match prove(image) {
        DiskProof::Exact(coding) => coding,
        DiskProof::Impossible(reason) => panic!("{reason}"),
    };
    let (pool, mut made) = (Pool::new(), Vec::new());
    let mut sink = |bytes: &[u8]| {
        made.extend_from_slice(bytes);
        Ok::<(), LocalError>(())
    };
    let mut maker = DiskMaker::new(&pool, &coding.pieces, None);
    image.plain.chunks(100_000).try_for_each(|piece| maker.write(piece, &mut sink)).unwrap();
    maker.finish(&mut sink).unwrap();
    assert!(made == image.stored);
    coding
}

fn unfold(stored: &[u8], pieces: &[StoredPiece], step: usize) -> Vec<u8> {
    let (pool, mut plain) = (Pool::new(), Vec::new());
    let mut sink = |bytes: Bytes| {
        plain.extend_from_slice(&bytes);
        Ok(())
    };
    let mut unfolding = DiskUnfolding::new(&pool, pieces);
    stored.chunks(step).try_for_each(|piece| unfolding.push(Bytes::copy_from_slice(piece), &mut sink)).unwrap();
    unfolding.finish(&mut sink).unwrap();
    plain
}

#[test]
fn all_blocks_are_made_again_and_cost_little() {
    let image = image();
    let coding = proved(&image);
    assert_eq!(coding.blocks(), (119, 0));
    // The data blocks are one run, and so are the tables' but the first, behind what lies before them.
    assert_eq!(coding.pieces.len(), 6, "{:?}", coding.pieces);
    assert!(coding.cost_bytes() < 300, "{}", coding.cost_bytes());
}

#[test]
fn the_plain_image_is_read_front_to_back_and_at_random() {
    let image = image();
    for step in [1000, 70_001, usize::MAX] {
        assert!(unfold(&image.stored, &image.pieces, step) == image.plain, "{step}");
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[9; 5]).unwrap();
    file.write_all(&image.stored).unwrap();
    let (stored, plain) = (5..5 + image.stored.len() as u64, 5..5 + image.plain.len() as u64);
    let starts = Starts::Blocks(DiskPlaces::of(&image.pieces).unwrap());
    let unfolded = Unfolded { stored, plain, starts };
    let mut blob = Vec::new();
    unfolded.encode(&mut blob);
    assert_eq!(Unfolded::decode(&mut blob.as_slice()).as_ref(), Some(&unfolded));
    let plain_file = PlainFile::new(file, vec![unfolded]);
    let whole = [&[9; 5], image.plain.as_slice()].concat();
    for (at, bytes) in [(0, whole.len()), (3, 200), (90, 40_000), (3_000_000, 500_000), (whole.len() - 1, 1)] {
        let mut read = vec![0; bytes];
        plain_file.read_exact_at(&mut read, at as u64).unwrap();
        assert!(read == whole[at..at + bytes], "{at}");
    }
}

#[test]
fn a_block_of_another_encoder_is_kept_or_named() {
    let mut image = image();
    image.odd_block(&text(9000, 5000));
    image.plain(&[3; 100]);
    image.block(9, &text(9000, 5001));
    // A level that only a few blocks have is found too.
    (0..5).for_each(|number| image.block(4, &text(32_768, 6000 + number)));
    let coding = proved(&image);
    assert_eq!(coding.blocks(), (126, 1));
    let encoders = coding.pieces.iter().filter_map(|piece| match piece {
        DiskPiece::Run(run) => block_encoder_name(&run.encoder),
        _ => None,
    });
    let mut encoders: Vec<String> = encoders.collect();
    encoders.dedup();
    assert_eq!(encoders, ["zlib, level 9", "zlib, level 4"]);
}

/// Levels 4 and 5 make the same of blocks that are all alike, and 5 is tried first.
#[test]
fn an_encoder_that_makes_all_samples_is_the_only_one() {
    let mut image = Image::default();
    (0..3).for_each(|number| image.block(4, &[number; 5000]));
    let first = image.pieces.len();
    let DiskGuess::Coded(guess) = guess_disk(&image.stored.as_slice(), &image.pieces[..first]) else {
        panic!("no guess")
    };
    assert_eq!(guess.blocks[0].to_string(), "zlib, level 5");
    (0..9).for_each(|number| image.block(4, &text(32_768, number)));
    let encoders = proved(&image).pieces.into_iter().filter_map(|piece| match piece {
        DiskPiece::Run(run) => block_encoder_name(&run.encoder),
        _ => None,
    });
    assert_eq!(encoders.collect::<std::collections::BTreeSet<_>>(), ["zlib, level 4".to_owned()].into());
}

fn reason(image: &Image) -> String {
    match prove(image) {
        DiskProof::Exact(_) => panic!("it was proved"),
        DiskProof::Impossible(reason) => reason,
    }
}

#[test]
fn an_image_that_is_not_made_again_says_why() {
    let mut odd = Image::default();
    (0..9).for_each(|number| odd.odd_block(&text(20_000, number)));
    assert_eq!(reason(&odd), "the encoder of its zlib blocks is not known");
    let mut some_odd = image();
    (0..9).for_each(|number| some_odd.odd_block(&text(20_000, number)));
    assert_eq!(reason(&some_odd), "too many of its compressed blocks are made by no known encoder");
    let mut damaged = image();
    // The largest block of no stretch, so that only the proof sees it.
    damaged.stored_block(&[0; 20], &[1; 100]);
    assert_eq!(reason(&damaged), "its compressed blocks are damaged");
    let mut lzo = image();
    for piece in &mut lzo.pieces {
        if let StoredForm::Block { codec, .. } = &mut piece.form {
            *codec = BlockCodec::Lzo;
        }
    }
    assert_eq!(reason(&lzo), "its compressed blocks are damaged");
    let large = StoredForm::Block { codec: BlockCodec::Zlib, plain_bytes: (16 << 20) + 1 };
    lzo.pieces[1].form = large;
    assert!(reason(&lzo).contains("larger than 16 MiB"));
    // What is read of a damaged block stands for zeros, so that all behind it keeps its place.
    let plain = unfold(&damaged.stored, &damaged.pieces, 9000);
    assert_eq!(plain.len(), damaged.plain.len());
    assert!(plain[..plain.len() - 100] == damaged.plain[..plain.len() - 100]);
    // An image that is cut off ends where its last whole block does, and one that is longer goes on.
    let image = image();
    let cut = unfold(&image.stored[..5000], &image.pieces, 999);
    assert!(image.plain.starts_with(&cut));
    let longer = unfold(&[&image.stored, b"behind".as_slice()].concat(), &image.pieces, 999);
    assert!(longer == [&image.plain, b"behind".as_slice()].concat());
}

/// The compressed blocks of an image, as a scan of a seed finds them.
fn blocks_of(image: &Image) -> Arc<CodedBlocks> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[9; 7]).unwrap();
    file.write_all(&image.stored).unwrap();
    let pool = Pool::new();
    let mut unfolding = DiskUnfolding::new(&pool, &image.pieces);
    unfolding.push(Bytes::copy_from_slice(&image.stored), &mut |_| Ok(())).unwrap();
    let hashes = unfolding.finish(&mut |_| Ok(())).unwrap();
    let mut blocks = CodedBlocks::default();
    blocks.add(file, 7, &DiskPlaces::of(&image.pieces).unwrap().with_hashes(hashes));
    Arc::new(blocks)
}

#[test]
fn blocks_of_a_seed_are_taken_if_they_fit() {
    let image = image();
    let coding = proved(&image);
    let make = |blocks: &Arc<CodedBlocks>, step: usize| {
        let (pool, mut made) = (Pool::new(), Vec::new());
        let mut sink = |bytes: &[u8]| {
            made.extend_from_slice(bytes);
            Ok::<(), LocalError>(())
        };
        let mut maker = DiskMaker::new(&pool, &coding.pieces, Some(Arc::clone(blocks)));
        image.plain.chunks(step).try_for_each(|piece| maker.write(piece, &mut sink)).unwrap();
        maker.finish(&mut sink).unwrap();
        made
    };
    let blocks = blocks_of(&image);
    let first = text(32_768, 0);
    assert!(blocks.get(Some(BlockCodec::Zlib), &first).is_some() && blocks.get(None, &first[1..]).is_none());
    assert!(make(&blocks, 100_000) == image.stored);
    // A seed with some of the blocks, and one whose blocks another level made.
    let (mut some, mut other) = (Image::default(), Image::default());
    (0..40).for_each(|number| some.block(9, &text(32_768, number)));
    (20..60).for_each(|number| other.block(1, &text(32_768, number)));
    for seed in [&some, &other] {
        assert!(make(&blocks_of(seed), 9_000) == image.stored);
    }
}

#[test]
fn the_stored_image_is_read_at_random_from_the_plain_one() {
    let mut image = image();
    image.odd_block(&text(9000, 5000));
    image.block(9, &text(9000, 5001));
    let coding = proved(&image);
    let mut plain = tempfile::tempfile().unwrap();
    plain.write_all(&image.plain).unwrap();
    let plain = SizedFile { file: &plain, bytes: image.plain.len() as u64 };
    let view = StoredView::new(&plain, &coding);
    assert_eq!(view.bytes(), image.stored.len() as u64);
    for (at, bytes) in [(0, image.stored.len()), (90, 10), (90, 90_000), (image.stored.len() - 1, 1)] {
        let mut read = vec![0; bytes];
        view.read_exact_at(&mut read, at as u64).unwrap();
        assert!(read == image.stored[at..at + bytes], "{at}");
    }
    assert!(view.read_exact_at(&mut [0; 2], image.stored.len() as u64 - 1).is_err());
}
