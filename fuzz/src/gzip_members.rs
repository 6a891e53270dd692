//! Two ways back from untrusted data. One makes a gzip member as an index describes it: from an encoder,
//! corrections of its output, and plain bytes. The other inflates on from a checkpoint of a catalog.

use regrow_deflate::encoders::{Encoder, KnownEncoder};
use regrow_deflate::{Checkpoint, Differ, Inflater, Patcher};

use crate::input::Input;

/// The most bytes that are inflated from a checkpoint.
const MAX_PLAIN: usize = 1 << 16;
/// The number of bytes that are taken of a stream at a time.
const PIECE_BYTES: usize = 4096;

/// The first byte says whether a checkpoint and a stream follow. Otherwise an encoder, the length of the
/// corrections, the corrections and the plain bytes follow.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let is_checkpoint = input.byte() & 1 == 0;
    if is_checkpoint { from_checkpoint(input) } else { corrected(input) }
}

fn from_checkpoint(mut input: Input<'_>) {
    let len = input.number();
    let Some(checkpoint) = Checkpoint::decode(input.take(len.into())) else { return };
    let (mut inflater, mut plain, mut stored) = (Inflater::resume(&checkpoint), Vec::new(), input.0);
    while let Ok(step) = inflater.inflate(stored, &mut plain, 1009) {
        stored = &stored[step.taken..];
        if step.ended || plain.len() > MAX_PLAIN || stored.is_empty() {
            break;
        }
    }
    assert!(plain.len() <= MAX_PLAIN + 1009);
}

fn corrected(mut input: Input<'_>) {
    let mut encoder = input.take(4);
    let Some(known) = KnownEncoder::take(&mut encoder) else { return };
    let len = input.number();
    let (corrections, mut predicted) = (input.take(len.into()).to_vec(), Vec::new());
    let mut encoding = Encoder::new(known);
    encoding.write(input.0, &mut predicted);
    encoding.finish(&mut predicted);
    let (mut patcher, mut made) = (Patcher::new(corrections), Vec::new());
    for piece in predicted.chunks(PIECE_BYTES) {
        made.clear();
        if patcher.push(piece, &mut made).is_err() {
            return;
        }
    }
    made.clear();
    let _ = patcher.finish(&mut made);
}

/// Seeds: streams with one different byte in the middle, each with the corrections for it, and a stream from its
/// middle.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let plain = b"the block of the stream of the window of the stream ".repeat(90);
    let known = [KnownEncoder::all().next(), KnownEncoder::all().nth(12), KnownEncoder::all().last()];
    let mut seeds: Vec<Vec<u8>> = known.into_iter().flatten().map(|known| corrections(known, &plain)).collect();
    seeds.push(checkpoint(&plain));
    seeds
}

fn encoded(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(known), Vec::new());
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

fn corrections(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    // Another encoder's stream of the same bytes needs corrections in most places.
    let actual = encoded(KnownEncoder::all().nth(3).expect("an encoder"), plain);
    let mut differ = Differ::new(1 << 16);
    differ.push_actual(&actual);
    differ.push_predicted(&encoded(known, plain));
    let corrections = differ.finish().unwrap_or_default();
    let mut encoder = Vec::new();
    known.put(&mut encoder);
    encoder.resize(4, 0);
    [vec![1], encoder, (corrections.len() as u16).to_le_bytes().to_vec(), corrections, plain.to_vec()].concat()
}

fn checkpoint(plain: &[u8]) -> Vec<u8> {
    let stored = encoded(KnownEncoder::all().next().expect("an encoder"), plain);
    let (mut inflater, mut out) = (Inflater::new(), Vec::new());
    let step = inflater.inflate(&stored, &mut out, 700).expect("a stream");
    let at = inflater.checkpoint().expect("not at the end");
    let (encoded, rest) = (at.encode(), &stored[(at.stored_at() as usize).min(step.taken)..]);
    [&[0][..], &(encoded.len() as u16).to_le_bytes(), &encoded, rest].concat()
}
