//! The corrections of [`crate::Apart`]: those of a known compressor ([`crate::preflate::known`]), or behind [`FOREIGN`]
//! the length of preflate-rs's parameters in one byte, these, and its actions.

use cabac::Budget;

use crate::preflate::apart::{max_corrections, predicted, recreated};
use crate::preflate::blocks::{BlockType, MeasuredBlock, of_stream};
use crate::preflate::known::{KnownCompressor, Shape};
use crate::preflate::parameters::Parameters;

/// No code of a known compressor.
const FOREIGN: u8 = 0x3f;

/// The levels by how often they are met.
const LEVELS: [u8; 9] = [9, 6, 8, 7, 5, 4, 1, 2, 3];

/// From this many plain bytes on, a level is first tried on the start of the stream.
const LONG_BYTES: usize = 64 << 10;
/// The bytes behind a block's end that its matches may look at.
const LOOKAHEAD_BYTES: usize = 1 << 10;

/// Corrections to try, the shortest first: made one by one, as each takes time.
pub(crate) fn candidates<'a>(stored: &'a [u8], plain: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let blocks = of_stream(stored).unwrap_or_default();
    known_compressors(&blocks)
        .filter_map(move |known| {
            let packed = Shape::of_blocks(known, &blocks).packed(known);
            starts_alike(known, &blocks, stored, plain).then_some(packed)
        })
        .chain(std::iter::once_with(|| foreign(stored, plain.len())).flatten())
        .filter(|corrections| corrections.len() <= max_corrections(stored.len()))
}

fn known_compressors(blocks: &[MeasuredBlock]) -> impl Iterator<Item = KnownCompressor> + use<> {
    let fixed = blocks.first().is_some_and(|block| block.kind == BlockType::Fixed);
    let any = !blocks.is_empty();
    let of_memory = move |more_memory| LEVELS.map(|level| KnownCompressor { level, more_memory, fixed });
    [false, true].into_iter().flat_map(of_memory).filter(move |_| any)
}

/// Whether the first blocks come out right, where that saves time: each block is the same without what comes far
/// behind.
fn starts_alike(known: KnownCompressor, blocks: &[MeasuredBlock], stored: &[u8], plain: &[u8]) -> bool {
    let Some(first) = blocks.iter().position(|block| block.plain_end >= LONG_BYTES) else { return true };
    let MeasuredBlock { end_bit, plain_end, .. } = blocks[first];
    let start_bytes = plain_end + LOOKAHEAD_BYTES;
    if start_bytes * 2 > plain.len() {
        return true;
    }
    let shape = Shape::of_start(known, &blocks[..=first]);
    let same_bytes = end_bit / 8;
    shape
        .actions(known)
        .and_then(|actions| recreated(&plain[..start_bytes], &theirs(known.parameters(), &actions, Budget::ENDLESS)))
        .is_some_and(|start| start.get(..same_bytes) == stored.get(..same_bytes))
}

pub(crate) fn foreign(stored: &[u8], plain_bytes: usize) -> Option<Vec<u8>> {
    let (parameters, actions): (Parameters, Vec<u8>) = bitcode::decode(&predicted(stored, plain_bytes)?).ok()?;
    let parameters = bitcode::encode(&parameters);
    let head = [FOREIGN, u8::try_from(parameters.len()).ok()?];
    Some([head.as_slice(), &parameters, &actions].concat())
}

/// The corrections in the form of preflate-rs, which may read them within this budget.
pub(crate) fn unpacked(corrections: &[u8], budget: Budget) -> Option<Vec<u8>> {
    match corrections {
        [FOREIGN, len, rest @ ..] => {
            let (parameters, actions) = rest.split_at_checked(usize::from(*len))?;
            let parameters: Parameters = bitcode::decode(parameters).ok()?;
            parameters.are_bounded().then(|| theirs(parameters, actions, budget))
        }
        _ => {
            let (known, shape) = Shape::unpacked(corrections)?;
            Some(theirs(known.parameters(), &shape.actions(known)?, budget))
        }
    }
}

/// `ReconstructionData` of preflate-rs, its actions behind the budget that our coder reads first.
fn theirs(parameters: Parameters, actions: &[u8], budget: Budget) -> Vec<u8> {
    let actions = [budget.encode().as_slice(), actions].concat();
    bitcode::encode(&(parameters, actions))
}
