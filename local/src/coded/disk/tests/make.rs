//! Pieces are made from plain bytes, and sizes that lie are found out.

use regrow_disk::codec::BlockEncoder;
use regrow_index::{BlockRun, DiskCoding, KeptBlock};

use super::super::*;

const LEVEL_9: [u8; 5] = [0x80, 0x40, 9, 15, 8];
const LEVEL_1: [u8; 5] = [0x80, 0x40, 1, 15, 8];

fn text(bytes: usize, seed: u8) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut noise);
    noise.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect()
}

fn encode(encoder: &[u8], plain: &[u8]) -> Vec<u8> {
    BlockEncoder::take(&mut &*encoder).unwrap().encode(plain).unwrap()
}

/// A disk image with a piece of each kind, as it is stored and plain, and its coding.
fn image() -> (Vec<u8>, Vec<u8>, DiskCoding) {
    let (mut stored, mut plain, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
    let copy = |bytes: &[u8], stored: &mut Vec<u8>, plain: &mut Vec<u8>| {
        stored.extend_from_slice(bytes);
        plain.extend_from_slice(bytes);
    };
    copy(&[1; 96], &mut stored, &mut plain);
    pieces.push(DiskPiece::Plain(96));
    for (number, (encoder, gap_bytes, sizes)) in
        [(LEVEL_9, 0, vec![70_000; 9]), (LEVEL_1, 2, vec![8192, 8192, 5]), (LEVEL_9, 0, vec![1, 30_000])]
            .into_iter()
            .enumerate()
    {
        let (mut coded_bytes, mut hash) = (0, blake3::Hasher::new());
        for &size in &sizes {
            copy(&vec![7; usize::from(gap_bytes)], &mut stored, &mut plain);
            let block = text(size as usize, number as u8);
            let coded = encode(&encoder, &block);
            coded_bytes += coded.len() as u64;
            hash.update(&coded);
            stored.extend_from_slice(&coded);
            plain.extend_from_slice(&block);
        }
        pieces.push(DiskPiece::Run(Box::new(BlockRun::new(
            encoder.into(),
            gap_bytes,
            &sizes,
            (coded_bytes, run_digest(&hash)),
        ))));
        let kept = text(5000, 99);
        stored.extend_from_slice(b"kept");
        plain.extend_from_slice(&kept);
        pieces.push(DiskPiece::Kept(Box::new(KeptBlock { plain_bytes: 5000, coded: b"kept".to_vec() })));
    }
    copy(&text(1 << 20, 50), &mut stored, &mut plain);
    pieces.push(DiskPiece::Plain(1 << 20));
    (stored, plain, DiskCoding { pieces })
}

fn make(pieces: &[DiskPiece], plain: &[u8], step: usize) -> Result<Vec<u8>, LocalError> {
    let (pool, mut made) = (Pool::new(), Vec::new());
    let mut maker = DiskMaker::new(&pool, pieces, None);
    let mut sink = |bytes: &[u8]| {
        made.extend_from_slice(bytes);
        Ok(())
    };
    for piece in plain.chunks(step) {
        maker.write::<LocalError>(piece, &mut sink)?;
    }
    maker.finish(&mut sink)?;
    Ok(made)
}

#[test]
fn an_image_is_made_from_its_plain_image_however_that_arrives() {
    let (stored, plain, coding) = image();
    assert_eq!((coding.stored_bytes(), coding.plain_bytes()), (stored.len() as u64, plain.len() as u64));
    for step in [1000, 65_537, usize::MAX] {
        assert!(make(&coding.pieces, &plain, step).unwrap() == stored, "{step}");
    }
    // Any pieces in a row are made alone.
    let first: u64 = coding.pieces[..2].iter().map(DiskPiece::plain_bytes).sum();
    let made = make(&coding.pieces[2..], &plain[first as usize..], 9000).unwrap();
    assert!(stored.ends_with(&made) && made.len() > 1 << 20);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (_, plain, coding) = image();
    assert!(make(&coding.pieces, &plain[..plain.len() - 1], 9000).is_err());
    assert!(make(&coding.pieces, &[&plain, b"x".as_slice()].concat(), 9000).is_err());
    let with = |change: fn(&mut BlockRun)| {
        let mut pieces = coding.pieces.clone();
        if let DiskPiece::Run(run) = &mut pieces[1] {
            change(run);
        }
        make(&pieces, &plain, 9000).unwrap_err().to_string()
    };
    assert!(with(|run| run.coded_bytes += 1).contains("shorter"));
    assert!(with(|run| run.coded_bytes -= 1).contains("longer"));
    assert!(with(|run| run.encoder = [0x80, 0x7f].into()).contains("does not know"));
    let other = plain.iter().map(|byte| byte ^ 3).collect::<Vec<u8>>();
    assert!(make(&coding.pieces, &other, 9000).is_err());
}
