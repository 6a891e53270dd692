//! Blocks that an encoder fills up: their encoder is found, and they are made again, a group at a time.

use regrow_disk::codec::{BlockError, FillEncoder, decode};
use regrow_disk::{BlockCodec, ReadAt, StoredForm, StoredPiece};

use super::CodedBlocks;
use super::places::{DiskPlaces, PlacedBlock, PlainPlace};

/// The largest unit of blocks' sizes.
const MAX_UNIT_BYTES: u64 = 1 << 16;

/// The sizes of an image's filled blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FilledSizes {
    /// The size of the largest one.
    pub(super) capacity: u64,
    /// The largest power of two, up to 64 KiB, of which all sizes are multiples.
    pub(super) unit: u64,
}

impl FilledSizes {
    pub(super) fn of(pieces: &[StoredPiece]) -> Self {
        let filled = pieces.iter().filter(|piece| matches!(piece.form, StoredForm::Filled { .. }));
        let (capacity, bits) =
            filled.fold((0, MAX_UNIT_BYTES), |(capacity, bits), piece| (piece.bytes.max(capacity), bits | piece.bytes));
        Self { capacity, unit: 1 << bits.trailing_zeros() }
    }

    /// The encoders that may have made such blocks, the likelier ones first.
    pub(super) fn candidates(self, codec: BlockCodec) -> impl Iterator<Item = FillEncoder> {
        FillEncoder::candidates(codec, self.capacity, self.unit)
    }
}

/// A filled block as it is stored, and its plain bytes with those behind it that its encoder may have looked at.
pub(super) struct FilledBlock {
    pub(super) stored: Vec<u8>,
    pub(super) plain: Vec<u8>,
    /// The number of plain bytes that the block holds.
    pub(super) holds: usize,
}

impl FilledBlock {
    /// Reads a block. The result is `None` if it or what is behind it is damaged.
    pub(super) fn read(image: &dyn ReadAt, places: &DiskPlaces, block: PlacedBlock, window: usize) -> Option<Self> {
        let mut stored = vec![0; block.stored_bytes as usize];
        image.read_exact_at(&mut stored, block.stored_at).ok()?;
        let holds = block.plain_bytes as usize;
        let behind = (block.filled.unwrap_or(0) as usize).min(window.saturating_sub(holds));
        let mut plain = Vec::with_capacity(holds + behind);
        while plain.len() < holds + behind {
            let (at, wanted) = (block.plain_at + plain.len() as u64, holds + behind - plain.len());
            match places.at(at) {
                PlainPlace::Stored(stored_at, bytes) => {
                    let len = wanted.min(usize::try_from(bytes).unwrap_or(usize::MAX));
                    let start = plain.len();
                    plain.resize(start + len, 0);
                    image.read_exact_at(&mut plain[start..], stored_at).ok()?;
                }
                // No image has both.
                PlainPlace::Stream(..) => return None,
                PlainPlace::Block(number, offset) => {
                    let found = places.block(number)?;
                    let mut stored = vec![0; found.stored_bytes as usize];
                    image.read_exact_at(&mut stored, found.stored_at).ok()?;
                    let decoded = decode(found.codec, &stored, found.plain_bytes as usize).ok()?;
                    let decoded = Some(decoded).filter(|decoded| decoded.len() == found.plain_bytes as usize)?;
                    let rest = decoded.get(offset as usize..).filter(|rest| !rest.is_empty())?;
                    plain.extend_from_slice(&rest[..rest.len().min(wanted)]);
                }
            }
        }
        Some(Self { stored, plain, holds })
    }

    /// The one of these encoders that makes it, perhaps with other sizes.
    pub(super) fn encoder(&self, candidates: &[FillEncoder]) -> Option<FillEncoder> {
        let (found, _) = encoder_of(&mut candidates.to_vec(), &self.stored, &self.plain, self.holds)?;
        candidates.iter().copied().find(|known| known.is_like(found))
    }
}

/// A group whose bytes are being filled into blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub(super) encoder: FillEncoder,
    /// The number of plain bytes of the blocks, and of those behind that the encoder looks at.
    pub(super) plain_bytes: usize,
    pub(super) behind_bytes: usize,
    /// The most bytes that the blocks may have.
    pub(super) most: u64,
}

impl Fill {
    /// The blocks of these plain bytes, of which the last ones may be missing that stand behind the group. `found` gives
    /// blocks that need not be encoded. The second value tells whether it gave one.
    pub(super) fn blocks(self, plain: &[u8], found: Option<&CodedBlocks>) -> Result<(Vec<u8>, bool), BlockError> {
        match self.try_blocks(plain, found) {
            // Blocks that were made with other bytes behind them may leave a rest that no block holds.
            Err(_) if found.is_some() => self.try_blocks(plain, None),
            made => made,
        }
    }

    fn try_blocks(self, plain: &[u8], found: Option<&CodedBlocks>) -> Result<(Vec<u8>, bool), BlockError> {
        let group = plain.get(..self.plain_bytes).ok_or(BlockError::NotMade("liblz4"))?;
        let (mut at, mut coded, mut has_found) = (0, Vec::new(), false);
        while at < group.len() {
            let known = found.and_then(|found| found.get_filled(self.encoder.codec(), &group[at..]));
            has_found |= known.is_some();
            let (taken, block) = match known {
                Some(known) => known,
                None => self.encoder.block(&plain[at..])?,
            };
            // Other bytes than those that the blocks were made of.
            if taken == 0 || taken > group.len() - at || (coded.len() + block.len()) as u64 > self.most {
                return Err(BlockError::NotMade("liblz4"));
            }
            at += taken;
            coded.extend_from_slice(&block);
        }
        Ok((coded, has_found))
    }
}

/// What was found out about a piece among filled blocks.
pub(super) enum FoundFilled {
    /// It is plain.
    Plain,
    /// This encoder makes this block, and was given this many plain bytes behind it.
    Made(FillEncoder, u64, Vec<u8>),
    /// No encoder that was tried makes this block.
    Unmade(Vec<u8>),
    Damaged,
}

/// Pieces that follow each other, with their bytes in the image.
pub(super) struct Batch {
    /// The pieces that are examined, and those behind them that encoders look at.
    pub(super) pieces: Vec<StoredPiece>,
    pub(super) examined: usize,
    pub(super) stored: Vec<u8>,
}

impl Batch {
    /// Finds out about each piece which encoder makes it.
    pub(super) fn examine(self, known: &[FillEncoder]) -> Vec<FoundFilled> {
        let mut plain = Vec::new();
        let mut starts = Vec::with_capacity(self.pieces.len());
        let mut stored = self.stored.as_slice();
        for piece in &self.pieces {
            let Some((now, rest)) = stored.split_at_checked(piece.bytes as usize) else { break };
            starts.push((plain.len(), now));
            match piece.form.block() {
                None => plain.extend_from_slice(now),
                Some((codec, plain_bytes)) => match decode(codec, now, plain_bytes as usize) {
                    Ok(decoded) if decoded.len() == plain_bytes as usize => plain.extend_from_slice(&decoded),
                    _ => break,
                },
            }
            stored = rest;
        }
        let mut likely = known.to_vec();
        let pieces = self.pieces.iter().zip(starts.iter().map(Some).chain(std::iter::repeat(None)));
        let found = pieces.take(self.examined).map(|(piece, start)| {
            let StoredForm::Filled { plain_bytes, behind, .. } = piece.form else { return FoundFilled::Plain };
            let Some(&(start, stored)) = start else { return FoundFilled::Damaged };
            let (holds, most) = (plain_bytes as usize, usize::try_from(behind).unwrap_or(usize::MAX));
            if start + holds > plain.len() {
                return FoundFilled::Damaged;
            }
            let plain = &plain[start..plain.len().min((start + holds).saturating_add(most))];
            match encoder_of(&mut likely, stored, plain, holds) {
                Some((known, true)) => FoundFilled::Made(known, behind, stored.to_vec()),
                Some((known, false)) => FoundFilled::Made(known, 0, stored.to_vec()),
                None => FoundFilled::Unmade(stored.to_vec()),
            }
        });
        found.collect()
    }
}

/// The encoder of a block, and whether it was given the bytes behind it. The one that is found comes first the next time.
///
/// A file may have smaller blocks than others, so those that are filled up to the size of this block are tried too. Encoders
/// read a file in parts. So for a block that ends with one, there was nothing behind it.
fn encoder_of(likely: &mut Vec<FillEncoder>, stored: &[u8], plain: &[u8], holds: usize) -> Option<(FillEncoder, bool)> {
    let makes = |known: &FillEncoder| known.makes(stored, plain, holds);
    if let Some(place) = likely.iter().position(makes) {
        likely[..=place].rotate_right(1);
        return likely.first().map(|known| (*known, true));
    }
    let smaller = likely.iter().filter_map(|known| known.of_capacity(stored.len())).find(makes);
    if let Some(found) = smaller {
        likely.insert(0, found);
        return Some((found, true));
    }
    let ends = |known: &FillEncoder| known.makes(stored, &plain[..holds], holds);
    if let Some(known) = likely.iter().copied().find(ends) {
        return Some((known, false));
    }
    // What hardly any block holds.
    let large: Vec<_> = likely.iter().filter(|known| known.window_bytes() < holds + MIN_BEHIND).collect();
    let mut large = large.into_iter().filter_map(|known| known.of_largest_window());
    large.find_map(|known| match (makes(&known), ends(&known)) {
        (true, _) => Some((known, true)),
        (false, is_end) => is_end.then_some((known, false)),
    })
}

/// Encoders that have fewer bytes than this behind a block in their window may have been given more.
const MIN_BEHIND: usize = 256 << 10;

/// The most plain bytes that encoders like these look at for blocks of which the largest holds this many.
pub(super) fn window_bytes(known: &[FillEncoder], holds: u64) -> u64 {
    let usual = known.iter().map(|known| known.window_bytes()).max().unwrap_or(0) as u64;
    let largest = known.iter().filter_map(|known| known.of_largest_window()).map(FillEncoder::window_bytes).max();
    let is_large = holds.saturating_add(MIN_BEHIND as u64) > usual;
    largest.map_or(usual, |largest| if is_large { largest as u64 } else { usual })
}
