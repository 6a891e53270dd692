//! Frames of some encoders, made from what others make.

mod golden;
mod hostile;

use super::*;
use crate::encoders::{KnownEncoder, Reencoder};
use crate::error::ZstdError;
use crate::klauspost::tests::data::mixed;
use crate::number::put_number;

/// The encoder that stands in files as these numbers.
fn encoder(numbers: &[u64]) -> KnownEncoder {
    let mut bytes = Vec::new();
    numbers.iter().for_each(|number| put_number(&mut bytes, *number));
    KnownEncoder::take(&mut bytes.as_slice()).unwrap()
}

/// libzstd 1.5.7: a level, a mode and flags.
fn libzstd(level: u64, mode: u64, flags: u64) -> KnownEncoder {
    encoder(&[0x1800, 10507, level, mode, flags, 0])
}

/// klauspost's newest at a level, as a stream.
fn klauspost(level: u64, log: u64) -> KnownEncoder {
    encoder(&[0x1000, 8 + 16 * level, 16, log, 17.min(log), 0])
}

fn frame(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    let (mut encoder, mut made) = (Reencoder::new(known, plain.len() as u64), Vec::new());
    encoder.write(plain, &mut made);
    encoder.finish(&mut made);
    made
}

fn rebuilt(known: KnownEncoder, plain: &[u8], corrections: &[u8], piece: usize) -> Result<Vec<u8>, ZstdError> {
    let (mut rebuilder, mut made) = (Rebuilder::new(known, plain.len() as u64, corrections)?, Vec::new());
    for piece in plain.chunks(piece) {
        rebuilder.write(piece, &mut made)?;
    }
    rebuilder.finish(&mut made)?;
    Ok(made)
}

/// All kinds of frames: of several levels, sizes of blocks, and libraries.
fn kinds() -> Vec<KnownEncoder> {
    let levels =
        [(1, 1, 3), (3, 2, 2), (6, 1, 1), (9, 1, 2 + 16), (6, 1, 3 + 32), (16, 0, 1), (19, 0, 1), (5, 1, 2 + 64)];
    let libzstd = levels.map(|(level, mode, flags)| libzstd(level, mode, flags));
    [klauspost(0, 20), klauspost(1, 23), klauspost(2, 10), klauspost(3, 22)].into_iter().chain(libzstd).collect()
}

#[test]
fn every_frame_follows_from_other_predictions() {
    for bytes in [1, 200_000] {
        let (plain, kinds) = (mixed(bytes), kinds());
        for (number, &actual) in kinds.iter().enumerate() {
            let stored = frame(actual, &plain);
            for &predicted in [&kinds[number], &kinds[(number + 5) % kinds.len()]] {
                let found = corrections(predicted, &plain, &stored, usize::MAX);
                let found = found.unwrap_or_else(|| panic!("{actual} from {predicted}, {bytes}"));
                let made = rebuilt(predicted, &plain, &found, 1 + bytes / 3).unwrap();
                assert!(made == stored, "{actual} from {predicted}, {bytes}");
                assert!(actual != predicted || found.len() < 100, "{}", found.len());
            }
        }
    }
}

#[test]
fn pieces_do_not_matter() {
    let plain = mixed(300_000);
    let stored = frame(klauspost(1, 23), &plain);
    let known = libzstd(3, 1, 0);
    let whole = corrections(known, &plain, &stored, usize::MAX).unwrap();
    for (stored_piece, plain_piece) in [(1000, 300_000), (100_000, 777)] {
        let mut differ = Differ::new(known, plain.len() as u64, usize::MAX);
        stored.chunks(stored_piece).for_each(|piece| differ.push_stored(piece));
        plain.chunks(plain_piece).for_each(|piece| differ.push_plain(piece));
        assert!(differ.finish().unwrap() == whole);
    }
    for piece in [999, 131_072, 300_000] {
        assert!(rebuilt(known, &plain, &whole, piece).unwrap() == stored);
    }
}

/// The frame is read at the pace of the encoder, which has workers and gives all that it holds back at the end.
#[test]
fn frames_are_read_to_their_end_behind_the_plain_bytes() {
    let plain = mixed(6 << 20);
    let stored = frame(libzstd(1, 1, 3), &plain);
    let known = libzstd(1, 2, 3);
    let (mut differ, mut at) = (Differ::new(known, plain.len() as u64, usize::MAX), 0);
    let mut feed = |differ: &mut Differ| {
        while at < stored.len() && differ.wants_stored() {
            let end = (at + 10_000).min(stored.len());
            differ.push_stored(&stored[at..end]);
            at = end;
        }
        at
    };
    for piece in plain.chunks(100_000) {
        differ.push_plain(piece);
        feed(&mut differ);
    }
    assert!(feed(&mut differ) < stored.len());
    differ.end_plain();
    assert_eq!(feed(&mut differ), stored.len());
    let found = differ.finish().unwrap();
    assert_eq!(corrections(known, &plain, &stored, usize::MAX).unwrap(), found);
    assert!(rebuilt(known, &plain, &found, 1 << 20).unwrap() == stored);
}

#[test]
fn corrections_are_no_longer_than_allowed() {
    let plain = mixed(300_000);
    let stored = frame(klauspost(1, 23), &plain);
    let known = libzstd(3, 1, 0);
    let bytes = corrections(known, &plain, &stored, usize::MAX).unwrap().len();
    assert!(corrections(known, &plain, &stored, bytes).is_some());
    assert_eq!(corrections(known, &plain, &stored, bytes - 1), None);
    assert_eq!(corrections(known, &plain, &stored, 100), None);
}

#[test]
fn frames_with_faults_have_none() {
    let plain = mixed(100_000);
    let stored = frame(libzstd(3, 1, 2), &plain);
    let found = |plain: &[u8], stored: &[u8]| corrections(libzstd(1, 1, 2), plain, stored, usize::MAX);
    assert!(found(&plain, &stored).is_some());
    assert_eq!(found(&plain, &stored[..stored.len() - 1]), None);
    assert_eq!(found(&plain, &[stored.as_slice(), &[0]].concat()), None);
    assert_eq!(found(&plain[1..], &stored), None);
    for at in (0..stored.len()).step_by(211) {
        let mut other = stored.clone();
        other[at] ^= 4;
        // Few bits of a frame, as those that fill the last byte of a table, do not change what it holds.
        if let Some(found) = found(&plain, &other) {
            assert!(rebuilt(libzstd(1, 1, 2), &plain, &found, 1000).unwrap() == other, "{at}");
        }
    }
}
