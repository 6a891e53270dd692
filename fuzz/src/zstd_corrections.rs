//! Corrections of zstd frames, on plain bytes that they may not belong to, and arbitrary frames of which corrections are
//! sought. Frames for which some are found come back.

use regrow_zstd::{Beginning, KnownEncoder, Rebuilder, Reencoder, ZstdReader, corrections};

use crate::input::Input;

/// The most bytes that a frame is decompressed to.
const MAX_PLAIN: usize = 1 << 18;
/// libzstd, version 1.5.7: level 1, 3, 6 or 19, a mode and flags.
const ENCODERS: [[u8; 7]; 4] = [
    [0x80, 0x30, 0x8b, 0x52, 1, 1, 0],
    [0x80, 0x30, 0x8b, 0x52, 3, 1, 16],
    [0x80, 0x30, 0x8b, 0x52, 6, 1, 112],
    [0x80, 0x30, 0x8b, 0x52, 3, 0, 1],
];

/// The first byte says which encoder predicts, and whether a frame follows. Otherwise the length of the corrections, the
/// corrections and the plain bytes follow.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let first = input.byte();
    let encoder = [ENCODERS[usize::from(first >> 1) % ENCODERS.len()].as_slice(), &[0]].concat();
    let Some(known) = KnownEncoder::take(&mut encoder.as_slice()) else { return };
    if first & 1 == 0 { of_frame(known, input.0) } else { corrected(known, input) }
}

fn of_frame(known: KnownEncoder, frame: &[u8]) {
    let (mut reader, mut plain) = (ZstdReader::default(), Vec::new());
    let Ok(step) = reader.push(frame, &mut plain, MAX_PLAIN) else { return };
    let frame = &frame[..step.taken];
    if !step.ended_part {
        return;
    }
    if let Some(beginning) = Beginning::of(frame) {
        let _ = beginning.near();
    }
    if let Some(found) = corrections(known, &plain, frame, 1 << 20) {
        assert!(rebuilt(known, &plain, &found).is_some_and(|made| made == frame));
    }
}

fn corrected(known: KnownEncoder, mut input: Input<'_>) {
    let len = input.number();
    let corrections = input.take(len.into());
    let plain = input.0;
    if let Some(made) = rebuilt(known, plain, corrections) {
        // A block has three bytes more than it holds, and empty ones stand in the corrections.
        assert!(made.len() <= 4 * plain.len() + (32 << 20));
    }
}

fn rebuilt(known: KnownEncoder, plain: &[u8], corrections: &[u8]) -> Option<Vec<u8>> {
    let (mut rebuilder, mut made) = (Rebuilder::new(known, plain.len() as u64, corrections).ok()?, Vec::new());
    rebuilder.write(plain, &mut made).ok()?;
    rebuilder.finish(&mut made).ok()?;
    Some(made)
}

/// Seeds: frames of one level, and the corrections by which they follow from another.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let plain = b"the block of the stream of the window of the stream ".repeat(90);
    let mut seeds = Vec::new();
    for (number, actual) in ENCODERS.iter().enumerate() {
        let actual = [actual.as_slice(), &[0]].concat();
        let Some(actual) = KnownEncoder::take(&mut actual.as_slice()) else { continue };
        let (mut encoder, mut frame) = (Reencoder::new(actual, plain.len() as u64), Vec::new());
        encoder.write(&plain, &mut frame);
        encoder.finish(&mut frame);
        let number = ((number + 1) % ENCODERS.len()) as u8;
        seeds.push([&[2 * number], frame.as_slice()].concat());
        let known = [ENCODERS[usize::from(number)].as_slice(), &[0]].concat();
        let known = KnownEncoder::take(&mut known.as_slice());
        if let Some(found) = known.and_then(|known| corrections(known, &plain, &frame, 1 << 20)) {
            let len = (found.len() as u16).to_le_bytes();
            seeds.push([&[2 * number + 1], len.as_slice(), &found, &plain].concat());
        }
    }
    seeds
}
