//! Blocks that the base of a patch holds are taken from there, or made after all.

use regrow_index::DiskCoding;

use super::super::held::HeldBlocks;
use super::*;

struct Whole(Option<DiskCoding>);

impl WholeCoding for Whole {
    fn coding(&self) -> Option<&DiskCoding> {
        self.0.as_ref()
    }
}

/// An image with blocks of known and unknown encoders. In the second version, two of them are others, and one is added.
fn version(number: u32) -> Image {
    let mut image = Image::default();
    image.plain(&[number as u8; 96]);
    if number > 1 {
        image.block(9, &text(9000, 77));
    }
    for block in 0..40 {
        let seed = if block % 19 == 7 { block + 1000 * number } else { block };
        match block {
            7 | 9 | 10 | 30 => image.odd_block(&text(5_000, seed)),
            _ => image.block(9, &text(32_768, seed)),
        }
    }
    for block in 0..5 {
        image.plain(&[7, 8]);
        image.block(9, &text(8192, 2000 + block));
    }
    image.plain(&[2; 4000]);
    image
}

fn places_of(image: &Image) -> (DiskPlaces, std::fs::File) {
    let pool = Pool::new();
    let mut unfolding = DiskUnfolding::new(&pool, &image.pieces);
    unfolding.push(Bytes::copy_from_slice(&image.stored), &mut |_| Ok(())).unwrap();
    let hashes = unfolding.finish(&mut |_| Ok(())).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    (DiskPlaces::of(&image.pieces).unwrap().with_hashes(hashes), file)
}

/// The coding of the second version for a machine that has the first one.
fn from_base(old: &Image, new: &Image, coding: &DiskCoding) -> DiskCoding {
    let (of_old, places) = (proved(old), places_of(old).0);
    let hashes: Vec<_> = places.hashed().map(|(hash, _)| hash).collect();
    let held = HeldBlocks::of(&of_old, |number, _, _| Ok(hashes[number])).unwrap();
    let (places, file) = places_of(new);
    held.coding(coding, &places, &file).unwrap().unwrap()
}

fn make(new: &Image, pieces: &[DiskPiece], blocks: Option<Arc<CodedBlocks>>, whole: &Whole) -> Result<(), LocalError> {
    let (pool, mut made) = (Pool::new(), Vec::new());
    let mut sink = |bytes: &[u8]| {
        made.extend_from_slice(bytes);
        Ok::<(), LocalError>(())
    };
    let mut maker = DiskMaker::new(&pool, pieces, blocks).with_whole(0, whole);
    new.plain.chunks(70_000).try_for_each(|piece| maker.write(piece, &mut sink))?;
    maker.finish(&mut sink)?;
    assert!(made == new.stored);
    Ok(())
}

#[test]
fn blocks_of_the_base_are_taken_or_made_after_all() {
    let (old, new) = (version(1), version(2));
    let whole = proved(&new);
    let coding = from_base(&old, &new, &whole);
    assert_eq!((coding.stored_bytes(), coding.plain_bytes()), (whole.stored_bytes(), whole.plain_bytes()));
    let kept = |coding: &DiskCoding| coding.pieces.iter().filter(|piece| matches!(piece, DiskPiece::Kept(_))).count();
    assert_eq!((kept(&whole), kept(&coding), coding.blocks().0), (4, 1, 46));
    assert!(coding.cost_bytes() * 3 < whole.cost_bytes(), "{} {}", coding.cost_bytes(), whole.cost_bytes());
    let (known, unknown) = (Whole(Some(whole)), Whole(None));
    make(&new, &coding.pieces, Some(blocks_of(&old)), &unknown).unwrap();
    // Without the base, or with a seed that holds other blocks, the codings of the index are asked for.
    let mut other = Image::default();
    (0..40).for_each(|number| other.block(1, &text(32_768, number)));
    for blocks in [None, Some(blocks_of(&other))] {
        make(&new, &coding.pieces, blocks.clone(), &known).unwrap();
        let error = make(&new, &coding.pieces, blocks, &unknown).unwrap_err();
        assert!(error.to_string().contains("corrections cannot be had"), "{error}");
    }
}

#[test]
fn a_target_whose_blocks_lie_elsewhere_has_no_such_coding() {
    let (old, new) = (version(1), version(2));
    let whole = proved(&new);
    let held = HeldBlocks::of(&whole, |_, _, _| Ok([0; 16])).unwrap();
    let (places, file) = places_of(&old);
    assert!(held.coding(&whole, &places, &file).unwrap().is_none());
}
