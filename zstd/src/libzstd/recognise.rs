//! Finds the ways in which libzstd may have written a frame.

use super::{Libzstd, LibzstdEncoder};
use crate::FrameHeader;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, MAX_HEADER_BYTES};

/// The number of plain bytes that are encoded before what came of them is compared.
const STEP_BYTES: usize = (128 << 10) + 1;

/// The encoders of some levels that make a frame's beginning from the beginning of its plain bytes, the likelier ones first. Some of
/// them agree so far and differ later. `is_whole` says whether these are all plain bytes of the frame.
pub(crate) fn recognise<'a>(
    header: FrameHeader,
    frame: &'a [u8],
    plain: &'a [u8],
    is_whole: bool,
    levels: Vec<u8>,
) -> impl Iterator<Item = Libzstd> + use<'a> {
    let plain_bytes = if is_whole { Some(plain.len() as u64) } else { header.plain_bytes };
    let tried = Tried { header, frame, plain, plain_bytes };
    Libzstd::candidates(header, plain_bytes, levels).flat_map(move |group| {
        let is_likely = Libzstd::representatives(&group).any(|known| tried.may_be_of(known));
        let group = if is_likely { group } else { Vec::new() };
        // With all plain bytes at hand, each encoder is tried on all of them.
        group.into_iter().filter(move |&known| !is_whole || tried.is_of(known))
    })
}

/// The beginning of a frame.
#[derive(Clone, Copy)]
struct Tried<'a> {
    header: FrameHeader,
    frame: &'a [u8],
    /// The plain bytes may be more, or fewer, than those of this beginning.
    plain: &'a [u8],
    plain_bytes: Option<u64>,
}

impl Tried<'_> {
    fn encoder(&self, known: Libzstd) -> LibzstdEncoder {
        LibzstdEncoder::new(known, self.plain_bytes.unwrap_or(u64::MAX))
    }

    /// Whether an encoder may have written the frame, by its first block. Behind that, the same level makes other blocks
    /// where the library is called in another way, as it splits blocks by what it was given.
    fn may_be_of(&self, known: Libzstd) -> bool {
        let (mut encoder, mut made) = (self.encoder(known), Vec::new());
        encoder.write(self.plain.get(..STEP_BYTES).unwrap_or(self.plain), &mut made);
        if made.len() <= MAX_HEADER_BYTES {
            encoder.flush(&mut made);
        }
        let (header, first) = (self.header.bytes, made.get(self.header.bytes..).and_then(block_bytes));
        let Some(first) = first.map(|bytes| header + bytes) else { return false };
        let (made, stored) = (&made[..first.min(made.len())], &self.frame[..first.min(self.frame.len())]);
        // Only the block's header may differ, in that the block is the last.
        let differ = made.iter().zip(stored).enumerate().filter(|(_, (made, stored))| made != stored);
        let is_last_bit = |(at, (made, stored)): (usize, (&u8, &u8))| at == header && made ^ stored == 1;
        made.len() == stored.len() && stored.len() > header && differ.into_iter().all(is_last_bit)
    }

    /// Whether an encoder makes the frame of all its plain bytes.
    fn is_of(&self, known: Libzstd) -> bool {
        let (mut encoder, mut made) = (self.encoder(known), Vec::new());
        encoder.write(self.plain, &mut made);
        encoder.finish(&mut made);
        !made.is_empty() && self.frame.get(..made.len()) == Some(&made)
    }
}

/// The number of bytes of the block that begins here, with its header.
fn block_bytes(block: &[u8]) -> Option<usize> {
    let header = BlockHeader::parse(*block.first_chunk()?).ok()?;
    Some(BLOCK_HEADER_BYTES + header.stored_bytes())
}
