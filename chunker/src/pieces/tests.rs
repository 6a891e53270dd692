use proptest::prelude::*;

use super::*;
use crate::Params;

/// The chunks of bytes that are cut alone.
fn cut(cutter: &Cutter, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(cutter.cut(rest));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

/// The chunks of a file's pieces, found slowly.
fn slowly(rule: PieceRule, cutter: &Cutter, file: &[u8]) -> Vec<Vec<u8>> {
    let block = rule.block_bytes() as usize;
    let (mut pieces, mut begins) = (vec![Vec::new()], true);
    for (number, now) in file.chunks(block).enumerate() {
        if rule.parts_ends && number > 0 && now.len() < block {
            pieces.push(now.to_vec());
        } else if !rule.has_holes || !is_zero(now) {
            pieces.extend((begins && !rule.joins).then(Vec::new));
            pieces.last_mut().unwrap().extend_from_slice(now);
        }
        begins = rule.has_holes && is_zero(now);
    }
    let mut chunks: Vec<_> = pieces.iter().flat_map(|piece| cut(cutter, piece)).collect();
    chunks.retain(|bytes| !is_zero(bytes));
    chunks
}

/// The bytes at a place of a file.
fn at_place(file: &[u8], place: &PiecePlace, bytes: usize) -> Vec<u8> {
    let ranges = place.ranges(bytes as u32).unwrap();
    ranges.iter().flat_map(|range| &file[range.start as usize..range.end as usize]).copied().collect()
}

proptest! {
    #[test]
    fn all_chunks_of_pieces_are_found(runs in proptest::collection::vec((any::<u8>(), 1usize..3000), 0..40),
                                      sizes in proptest::collection::vec(1usize..5000, 1..9),
                                      shape in 0usize..10) {
        let zeros = [Zeros::Apart, Zeros::Apart, Zeros::Joined, Zeros::Joined, Zeros::Kept][shape / 2];
        let rule = PieceRule::new([512, 1024][shape % 2], zeros, zeros == Zeros::Kept || sizes.len() % 2 == 0);
        let rule = rule.unwrap();
        // Half of the runs are zeros, and end at blocks now and then.
        let mut file = Vec::new();
        for &(seed, bytes) in &runs {
            let bytes = if seed % 4 < 2 { bytes } else { bytes.next_multiple_of(512) };
            let value = |at: usize| (at as u64 * 77 + u64::from(seed)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            file.extend((0..bytes).map(|at| if seed % 2 == 0 { 0 } else { value(at) as u8 }));
        }
        let cutter = Cutter::new(Params::new(64, 256, 1024).unwrap());
        let (mut whole, mut stream) = (Vec::new(), StreamCutter::default());
        let mut pieces = PieceCutter::new(rule, file.len() as u64);
        let (mut at, mut turn, mut found) = (0, 0, Vec::new());
        while at < file.len() {
            let piece = &file[at..file.len().min(at + sizes[turn % sizes.len()])];
            pieces.push(&cutter, &mut stream, piece, |from, cut| whole.push(match cut {
                Cut::Gathered(bytes) => bytes.to_vec(),
                Cut::InPiece(range) => piece[from..][range].to_vec(),
            }));
            found.extend(pieces.take());
            (at, turn) = (at + piece.len(), turn + 1);
        }
        found.extend(pieces.finish(&cutter, &mut stream, |cut| if let Cut::Gathered(bytes) = cut {
            whole.push(bytes.to_vec());
        }));
        prop_assert_eq!(&whole, &cut(&cutter, &file));
        for (bytes, place) in &found {
            prop_assert_eq!(bytes, &at_place(&file, place, bytes.len()));
        }
        for chunk in slowly(rule, &cutter, &file) {
            prop_assert!(whole.contains(&chunk) || found.iter().any(|(bytes, _)| *bytes == chunk));
        }
    }
}

/// What is cut twice is little: about a chunk at each end of a piece.
#[test]
fn cuts_fall_into_step() {
    let mut file = vec![0; 4 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut file);
    (0..4).for_each(|hole| file[(hole << 20) + 4096..][..8192].fill(0));
    let cutter = Cutter::new(Params::default());
    for zeros in [Zeros::Apart, Zeros::Joined] {
        let mut pieces = PieceCutter::new(PieceRule::new(4096, zeros, false).unwrap(), file.len() as u64);
        let mut whole = StreamCutter::default();
        file.chunks(1 << 17).for_each(|bytes| pieces.push(&cutter, &mut whole, bytes, |_, _| ()));
        let chunks = pieces.finish(&cutter, &mut whole, |_| ());
        assert!(chunks.iter().map(|(bytes, _)| bytes.len()).sum::<usize>() < 1 << 19, "{} chunks", chunks.len());
    }
}

#[test]
fn rules_have_numbers() {
    for block_log in 0..70u32 {
        let bytes = 1u64.checked_shl(block_log).unwrap_or(3);
        for zeros in [Zeros::Kept, Zeros::Apart, Zeros::Joined] {
            for parts_ends in [false, true] {
                let rule = PieceRule::new(bytes, zeros, parts_ends);
                let is_rule = (9..=20).contains(&block_log) && (zeros != Zeros::Kept || parts_ends);
                assert_eq!(rule.is_some(), is_rule);
                assert!(rule.is_none_or(|rule| PieceRule::from_number(rule.number()) == Some(rule)));
            }
        }
    }
    assert_eq!((0..400).filter_map(PieceRule::from_number).count(), 12 * 5);
    assert_eq!(PieceRule::from_number(u64::MAX), None);
}

#[test]
fn places_that_are_none_have_no_ranges() {
    let place = |at, after, bytes| PiecePlace { at, holes: [Hole { after, bytes }].into() };
    assert_eq!(place(10, 5, 100).ranges(12), Some(vec![10..15, 115..122]));
    assert_eq!(place(10, 5, 100).behind(1).ranges(5), Some(vec![11..16, 116..116]));
    for wrong in [place(10, 13, 1), place(10, 5, u64::MAX), place(u64::MAX - 3, 5, 0)] {
        assert_eq!(wrong.ranges(12), None);
    }
}
