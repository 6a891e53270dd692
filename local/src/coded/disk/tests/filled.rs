//! Filled blocks are proved, read and made again, and what is wrong with them is found out.

use regrow_disk::codec::FillEncoder;
use regrow_index::{DiskCoding, FilledGroup, FilledRun};

use super::*;

/// mkfs.erofs -zlz4hc, and -zlz4.
const HIGH: &[u8] = &[0xa3, 0x40, 9, 0x80, 0x20, 12, 20];
const FAST: &[u8] = &[0xa2, 0x40, 0x80, 0x20, 12, 20];

fn encoder(written: &[u8]) -> FillEncoder {
    FillEncoder::take(&mut &*written).unwrap()
}

impl Image {
    fn filled(&mut self, stored: &[u8], plain: &[u8], behind: usize) {
        self.stored.extend_from_slice(stored);
        self.plain.extend_from_slice(plain);
        let form =
            StoredForm::Filled { codec: BlockCodec::Lz4, plain_bytes: plain.len() as u32, behind: behind as u64 };
        self.pieces.push(StoredPiece { bytes: stored.len() as u64, form });
    }

    /// A file as mkfs.erofs writes it: blocks that are filled up, and the end as it is.
    fn file(&mut self, written: &[u8], plain: &[u8]) {
        let mut at = 0;
        while plain.len() - at > 4096 {
            let (taken, block) = encoder(written).block(&plain[at..]).unwrap();
            self.filled(&block, &plain[at..at + taken], plain.len() - at - taken);
            at += taken;
        }
        if at < plain.len() {
            let end = [&plain[at..], &vec![0; 4096 - (plain.len() - at)]].concat();
            self.plain(&end);
        }
    }

    /// Joins plain pieces that follow each other, as a division does.
    fn joined(mut self) -> Self {
        let mut pieces: Vec<StoredPiece> = Vec::new();
        for piece in self.pieces {
            match pieces.last_mut() {
                Some(last) if last.form == StoredForm::Plain && piece.form == StoredForm::Plain => {
                    last.bytes += piece.bytes;
                }
                _ => pieces.push(piece),
            }
        }
        self.pieces = pieces;
        self
    }
}

/// An image like one of EROFS: small files, a large one, metadata between.
fn image(written: &[u8]) -> Image {
    let mut image = Image::default();
    image.plain(&text(8192, 1));
    (0..30).for_each(|number| image.file(written, &text(3000 + 4001 * number as usize, number)));
    image.plain(&text(200_000, 3));
    // More than one group, and a block in the middle that nobody compresses.
    image.file(written, &text(5_000_000, 77));
    image.file(written, &vec![0; 3_000_000]);
    image.plain(&[9; 4096]);
    image.joined()
}

fn runs(coding: &DiskCoding) -> Vec<&FilledRun> {
    let runs = coding.pieces.iter().filter_map(|piece| match piece {
        DiskPiece::Filled(run) => Some(&**run),
        _ => None,
    });
    runs.collect()
}

fn make(pieces: &[DiskPiece], plain: &[u8], step: usize, blocks: Option<CodedBlocks>) -> Result<Vec<u8>, LocalError> {
    let (pool, mut made) = (Pool::new(), Vec::new());
    let mut sink = |bytes: &[u8]| {
        made.extend_from_slice(bytes);
        Ok::<(), LocalError>(())
    };
    let mut maker = DiskMaker::new(&pool, pieces, blocks.map(Arc::new));
    plain.chunks(step).try_for_each(|piece| maker.write(piece, &mut sink))?;
    maker.finish(&mut sink)?;
    Ok(made)
}

#[test]
fn filled_blocks_are_made_again() {
    for written in [HIGH, FAST, &[0xa3, 0x40, 12, 0x80, 0x20, 12, 20], &[0xa3, 0x40, 3, 0x80, 0x20, 12, 20]] {
        let image = image(written);
        let coding = proved(&image);
        assert_eq!(coding.blocks().1, 0);
        assert!(!runs(&coding).is_empty());
        // Files cost a few bytes each, however many blocks they have.
        assert!(coding.cost_bytes() < 500, "{}", coding.cost_bytes());
        assert!(unfold(&image.stored, &image.pieces, 100_001) == image.plain);
    }
}

#[test]
fn parts_of_an_image_are_made_with_what_is_behind_them() {
    let image = image(HIGH);
    let coding = proved(&image);
    let (mut at, mut stored_at) = (0usize, 0usize);
    for piece in &coding.pieces {
        let (plain, stored) = (piece.plain_bytes() as usize, piece.stored_bytes() as usize);
        let end = image.plain.len().min(at + plain + bytes_behind(std::slice::from_ref(piece)) as usize);
        for step in [70_000, 6 << 20] {
            let made = make(std::slice::from_ref(piece), &image.plain[at..end], step, None).unwrap();
            assert!(made == image.stored[stored_at..stored_at + stored]);
        }
        (at, stored_at) = (at + plain, stored_at + stored);
    }
    assert!(coding.pieces.iter().any(|piece| piece.behind_bytes() > 0));
    let view = StoredView::new(&image.plain.as_slice(), &coding).bytes();
    assert_eq!(view, image.stored.len() as u64);
    let plain = image.plain.as_slice();
    let view = StoredView::new(&plain, &coding);
    let mut read = vec![0; image.stored.len()];
    view.read_exact_at(&mut read, 0).unwrap();
    assert!(read == image.stored);
}

/// Blocks of an older image are taken as they are. If one had other bytes behind it, the run is encoded.
#[test]
fn filled_blocks_of_seeds_are_taken() {
    let (old, new) = (image(HIGH), image(HIGH));
    let coding = proved(&new);
    let seed = |image: &Image, other: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&image.stored).unwrap();
        let (pool, mut unfolding) = (Pool::new(), None);
        let unfolding = unfolding.get_or_insert_with(|| DiskUnfolding::new(&pool, &image.pieces));
        unfolding.push(Bytes::copy_from_slice(&image.stored), &mut |_| Ok(())).unwrap();
        let hashes = std::mem::replace(unfolding, DiskUnfolding::new(&pool, &[])).finish(&mut |_| Ok(())).unwrap();
        let places = DiskPlaces::of(&image.pieces).unwrap().with_hashes(hashes);
        let mut blocks = CodedBlocks::default();
        blocks.add(file, 0, &places);
        assert!(!blocks.is_empty());
        assert!(make(&coding.pieces, &new.plain, 1 << 20, Some(blocks)).unwrap() == new.stored, "{other:?}");
    };
    seed(&old, b"the same");
    seed(&image(FAST), b"another encoder");
    let mut cut = Image::default();
    cut.file(HIGH, &text(100_000, 29));
    seed(&cut.joined(), b"a file that ends sooner");
}

#[test]
fn blocks_that_no_encoder_fills_are_kept() {
    let mut image = image(HIGH);
    let plain = text(9000, 500);
    // Nothing has seven zeros before it.
    let (taken, block) = encoder(HIGH).block(&plain).unwrap();
    let unlike = [&encoder(FAST).block(&plain[..taken - 100]).unwrap().1[..]].concat();
    assert!(unlike != block);
    image.filled(&unlike, &plain[..taken - 100], 0);
    let coding = proved(&image);
    assert_eq!(coding.blocks().1, 1);
    // Smaller blocks of another file are made too.
    image.file(HIGH, &text(100_000, 501));
    proved(&image);
}

/// Encoders are given a file in parts, and zeros of many MiB go into one block.
#[test]
fn blocks_that_end_with_a_part_or_hold_much_are_made_again() {
    let written: &[u8] = &[0xa3, 0x40, 9, 0x80, 0x80, 4, 12, 20];
    let mut image = Image::default();
    image.plain(&text(8192, 1));
    let large = encoder(written).of_largest_window().unwrap();
    let file = [text(300_000, 5), vec![0; 5_000_000], text(400_000, 6)].concat();
    // The first part ends among the zeros.
    let (mut at, part) = (0, 2_000_000);
    while file.len() - at > 4096 {
        let end = if at < part { part } else { file.len() };
        let (taken, block) = large.block(&file[at..end]).unwrap();
        image.filled(&block, &file[at..at + taken], file.len() - at - taken);
        at += taken;
    }
    image.plain(&file[at..]);
    let image = image.joined();
    let coding = proved(&image);
    assert_eq!(coding.blocks().1, 0);
    let plain = image.plain.as_slice();
    let mut read = vec![0; image.stored.len()];
    StoredView::new(&plain, &coding).read_exact_at(&mut read, 0).unwrap();
    assert!(read == image.stored);
}

#[test]
fn runs_that_lie_are_found_out() {
    let image = image(HIGH);
    let coding = proved(&image);
    let lie = |change: &dyn Fn(&mut FilledRun)| {
        let mut bad = coding.clone();
        let run = bad.pieces.iter_mut().find_map(|piece| match piece {
            DiskPiece::Filled(run) => Some(run),
            _ => None,
        });
        change(run.unwrap());
        make(&bad.pieces, &image.plain, 1 << 20, None)
    };
    assert!(lie(&|_| {}).unwrap() == image.stored);
    let group = |run: &mut FilledRun, change: &dyn Fn(&mut FilledGroup)| change(&mut run.groups[1]);
    assert!(lie(&|run| group(run, &|group| group.plain_bytes += 1)).is_err());
    assert!(lie(&|run| group(run, &|group| group.plain_bytes -= 1)).is_err());
    assert!(lie(&|run| group(run, &|group| group.gap_bytes += 1)).is_err());
    assert!(lie(&|run| run.coded_bytes -= 4096).is_err());
    assert!(lie(&|run| run.coded_bytes += 4096).is_err());
    assert!(lie(&|run| run.encoder = LEVEL_9.into()).is_err());
    // More behind the group than there was when it was made gives other blocks, or the same.
    let behind = lie(&|run| run.groups.iter_mut().for_each(|group| group.behind_bytes = 16 << 20));
    assert!(behind.is_err() || behind.is_ok_and(|made| made.len() == image.stored.len()));
}

const LEVEL_9: [u8; 5] = [0x80, 0x40, 9, 15, 8];
