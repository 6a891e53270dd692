//! The places of a disk image's compressed blocks, for reading the image at random as its plain image.

use regrow_chunker::varint;
use regrow_disk::{BlockCodec, StoredForm, StoredPiece};

/// The codecs by their numbers in the catalog.
pub(super) const CODECS: [BlockCodec; 6] =
    [BlockCodec::Zlib, BlockCodec::Deflate, BlockCodec::Xz, BlockCodec::Zstd, BlockCodec::Lz4, BlockCodec::Lzo];
/// What is added to the number of a codec whose blocks are filled up.
const FILLED: u8 = 0x40;
/// The hash of a filled block covers this many of its plain bytes, since how many it holds is not known when it is looked for.
const START_BYTES: usize = 256;

/// The beginning of the BLAKE3 hash of a block's plain bytes.
pub(crate) type BlockHash = [u8; 16];

/// The hash of a block with these plain bytes.
pub(crate) fn block_hash(plain: &[u8]) -> BlockHash {
    blake3::hash(plain).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The hash of a filled block that begins with these plain bytes.
pub(crate) fn start_hash(plain: &[u8]) -> BlockHash {
    block_hash(&plain[..plain.len().min(START_BYTES)])
}

/// The compressed blocks of a disk image, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskPlaces {
    blocks: Vec<PlacedBlock>,
    /// The hash of each block, if they are known.
    hashes: Vec<BlockHash>,
}

/// A compressed block. Its places count from the beginning of the disk image, and from that of its plain image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlacedBlock {
    pub(crate) codec: BlockCodec,
    pub(crate) stored_at: u64,
    pub(crate) stored_bytes: u32,
    pub(crate) plain_at: u64,
    pub(crate) plain_bytes: u32,
    /// The number of plain bytes behind it that its encoder looked at, if the block was filled up. It is not known of a block
    /// from the catalog.
    pub(crate) filled: Option<u32>,
}

/// What lies at a place of a plain image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainPlace {
    /// Bytes that lie in the disk image as they are: their place there, and their number.
    Stored(u64, u64),
    /// The block of this number, and the offset in its plain bytes.
    Block(usize, u64),
}

impl DiskPlaces {
    /// The blocks among these pieces, if none is larger than blocks are.
    pub(crate) fn of(pieces: &[StoredPiece]) -> Option<Self> {
        let (mut stored_at, mut plain_at, mut blocks) = (0u64, 0u64, Vec::new());
        for piece in pieces {
            if let Some((codec, plain_bytes)) = piece.form.block() {
                let stored_bytes = u32::try_from(piece.bytes).ok()?;
                let filled = match piece.form {
                    StoredForm::Filled { behind, .. } => Some(u32::try_from(behind).unwrap_or(u32::MAX)),
                    StoredForm::Plain | StoredForm::Block { .. } => None,
                };
                blocks.push(PlacedBlock { codec, stored_at, stored_bytes, plain_at, plain_bytes, filled });
            }
            (stored_at, plain_at) = (stored_at.checked_add(piece.bytes)?, plain_at.checked_add(piece.plain_bytes())?);
        }
        Some(Self { blocks, hashes: Vec::new() })
    }

    /// The same blocks with their hashes, if there are as many.
    pub(crate) fn with_hashes(self, hashes: Vec<BlockHash>) -> Self {
        if hashes.len() == self.blocks.len() { Self { hashes, ..self } } else { self }
    }

    /// The blocks of which the hashes are known.
    pub(crate) fn hashed(&self) -> impl Iterator<Item = (BlockHash, PlacedBlock)> + '_ {
        self.hashes.iter().copied().zip(self.blocks.iter().copied())
    }

    /// All blocks.
    pub(crate) fn blocks(&self) -> &[PlacedBlock] {
        &self.blocks
    }

    /// The block of a number.
    pub(crate) fn block(&self, number: usize) -> Option<PlacedBlock> {
        self.blocks.get(number).copied()
    }

    /// What lies at a place of the plain image.
    pub(crate) fn at(&self, plain_at: u64) -> PlainPlace {
        let next = self.blocks.partition_point(|block| block.plain_at <= plain_at);
        let end = self.blocks.get(next).map_or(u64::MAX, |block| block.plain_at);
        let Some(before) = next.checked_sub(1).and_then(|number| self.block(number)) else {
            return PlainPlace::Stored(plain_at, end - plain_at);
        };
        match (plain_at - before.plain_at).checked_sub(before.plain_bytes.into()) {
            None => PlainPlace::Block(next - 1, plain_at - before.plain_at),
            Some(behind) => {
                let stored_at = before.stored_at.saturating_add(before.stored_bytes.into()).saturating_add(behind);
                PlainPlace::Stored(stored_at, end - plain_at)
            }
        }
    }

    /// The plain bytes of the largest block.
    pub(crate) fn largest_plain_bytes(&self) -> u32 {
        self.blocks.iter().map(|block| block.plain_bytes).max().unwrap_or_default()
    }

    /// Encodes the places for the catalog: about 22 bytes for each block.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.blocks.len() as u64);
        let mut end = 0;
        for block in &self.blocks {
            let codec = CODECS.iter().position(|codec| *codec == block.codec).unwrap_or(CODECS.len());
            out.push(codec as u8 | if block.filled.is_some() { FILLED } else { 0 });
            for number in [block.stored_at - end, block.stored_bytes.into(), block.plain_bytes.into()] {
                varint::put(out, number);
            }
            end = block.stored_at + u64::from(block.stored_bytes);
        }
        out.push(u8::from(!self.hashes.is_empty()));
        self.hashes.iter().for_each(|hash| out.extend_from_slice(hash));
    }

    /// Decodes the form that [`DiskPlaces::encode`] writes. The result is `None` for anything else.
    pub(crate) fn decode(blob: &mut &[u8]) -> Option<Self> {
        let count = varint::take(blob).filter(|&count| count <= blob.len() as u64 / 4)?;
        let (mut stored_end, mut plain_end, mut blocks) = (0u64, 0u64, Vec::with_capacity(count as usize));
        for _ in 0..count {
            let (&codec, rest) = blob.split_first()?;
            *blob = rest;
            let (gap, stored_bytes, plain_bytes) = (varint::take(blob)?, take_u32(blob)?, take_u32(blob)?);
            let (stored_at, plain_at) = (stored_end.checked_add(gap)?, plain_end.checked_add(gap)?);
            let filled = (codec & FILLED != 0).then_some(0);
            let codec = *CODECS.get(usize::from(codec & !FILLED))?;
            blocks.push(PlacedBlock { codec, stored_at, stored_bytes, plain_at, plain_bytes, filled });
            stored_end = stored_at.checked_add(stored_bytes.into())?;
            plain_end = plain_at.checked_add(plain_bytes.into())?;
        }
        let (&has_hashes, rest) = blob.split_first()?;
        *blob = rest;
        let mut hashes = Vec::new();
        for _ in 0..if has_hashes == 1 { blocks.len() } else { 0 } {
            let (hash, rest) = blob.split_first_chunk()?;
            *blob = rest;
            hashes.push(*hash);
        }
        Some(Self { blocks, hashes })
    }
}

fn take_u32(blob: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint::take(blob)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_come_back_from_the_catalog() {
        let plain = |bytes| StoredPiece { bytes, form: StoredForm::Plain };
        let block = |bytes, plain_bytes| StoredPiece {
            bytes,
            form: StoredForm::Block { codec: BlockCodec::Zlib, plain_bytes },
        };
        let places = DiskPlaces::of(&[plain(96), block(10, 100), block(20, 200), plain(2), block(5, 8)]).unwrap();
        for (at, expected) in [
            (0, PlainPlace::Stored(0, 96)),
            (95, PlainPlace::Stored(95, 1)),
            (96, PlainPlace::Block(0, 0)),
            (195, PlainPlace::Block(0, 99)),
            (196, PlainPlace::Block(1, 0)),
            (396, PlainPlace::Stored(126, 2)),
            (398, PlainPlace::Block(2, 0)),
            (406, PlainPlace::Stored(133, u64::MAX - 406)),
        ] {
            assert_eq!(places.at(at), expected, "{at}");
        }
        let filled = StoredForm::Filled { codec: BlockCodec::Lz4, plain_bytes: 9000, behind: 0 };
        let others = DiskPlaces::of(&[plain(4096), StoredPiece { bytes: 4096, form: filled }, block(1, 2)]).unwrap();
        let mut blob = Vec::new();
        others.encode(&mut blob);
        assert_eq!(DiskPlaces::decode(&mut blob.as_slice()), Some(others));
        let hashes = [1, 2, 3].map(|n| block_hash(&[n])).to_vec();
        let places = places.with_hashes(hashes.clone());
        assert_eq!(places.hashed().map(|(hash, _)| hash).collect::<Vec<_>>(), hashes);
        let mut blob = Vec::new();
        places.encode(&mut blob);
        assert_eq!(DiskPlaces::decode(&mut blob.as_slice()), Some(places));
        for cut in 0..blob.len() {
            assert_eq!(DiskPlaces::decode(&mut &blob[..cut]), None);
        }
        assert_eq!(DiskPlaces::of(&[block(1 << 33, 9)]), None);
        assert_eq!(DiskPlaces::of(&[plain(u64::MAX), block(1, 9)]), None);
    }
}
