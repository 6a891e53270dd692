//! The places of a disk image's compressed blocks, for reading the image at random as its plain image.

use regrow_chunker::varint;
use regrow_disk::{BlockCodec, StoredForm, StoredPiece, StreamCodec};

/// The codecs of streams by their numbers in the catalog.
const DEFLATE: u8 = 0;
const ZSTD: u8 = 1;
const LZMA2: u8 = 2;
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

/// The compressed blocks and streams of a disk image, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskPlaces {
    blocks: Vec<PlacedBlock>,
    streams: Vec<PlacedStream>,
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

/// A compressed stream, of which the places count as a block's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlacedStream {
    pub(crate) codec: StreamCodec,
    pub(crate) stored_at: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) plain_at: u64,
    pub(crate) plain_bytes: u64,
}

/// What lies at a place of a plain image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainPlace {
    /// Bytes that lie in the disk image as they are: their place there, and their number.
    Stored(u64, u64),
    /// The block of this number, and the offset in its plain bytes.
    Block(usize, u64),
    /// The stream of this number, and the offset in its plain bytes, of which this many follow.
    Stream(usize, u64, u64),
}

impl DiskPlaces {
    /// The blocks among these pieces, if none is larger than blocks are.
    pub(crate) fn of(pieces: &[StoredPiece]) -> Option<Self> {
        let (mut stored_at, mut plain_at, mut blocks, mut streams) = (0u64, 0u64, Vec::new(), Vec::new());
        for piece in pieces {
            if let Some((codec, plain_bytes)) = piece.form.block() {
                let stored_bytes = u32::try_from(piece.bytes).ok()?;
                let filled = match piece.form {
                    StoredForm::Filled { behind, .. } => Some(u32::try_from(behind).unwrap_or(u32::MAX)),
                    _ => None,
                };
                blocks.push(PlacedBlock { codec, stored_at, stored_bytes, plain_at, plain_bytes, filled });
            }
            let stream = match piece.form {
                StoredForm::Stream { codec, plain_bytes } => Some((codec, plain_bytes)),
                // What is behind a hash tree has another place, as behind a stream that holds nothing.
                StoredForm::HashTree => Some((StreamCodec::Deflate, 0)),
                _ => None,
            };
            if let Some((codec, plain_bytes)) = stream {
                let stored_bytes = piece.bytes;
                streams.push(PlacedStream { codec, stored_at, stored_bytes, plain_at, plain_bytes });
            }
            (stored_at, plain_at) = (stored_at.checked_add(piece.bytes)?, plain_at.checked_add(piece.plain_bytes())?);
        }
        Some(Self { blocks, streams, hashes: Vec::new() })
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

    /// All streams.
    pub(crate) fn streams(&self) -> &[PlacedStream] {
        &self.streams
    }

    /// What lies at a place of the plain image.
    pub(crate) fn at(&self, plain_at: u64) -> PlainPlace {
        let next_block = self.blocks.partition_point(|block| block.plain_at <= plain_at);
        let next_stream = self.streams.partition_point(|stream| stream.plain_at <= plain_at);
        let starts = [
            self.blocks.get(next_block).map(|block| block.plain_at),
            self.streams.get(next_stream).map(|stream| stream.plain_at),
        ];
        let end = starts.into_iter().flatten().min().unwrap_or(u64::MAX);
        let block = next_block.checked_sub(1).and_then(|number| Some((number, self.block(number)?)));
        let stream = next_stream.checked_sub(1).and_then(|number| Some((number, *self.streams.get(number)?)));
        // Where the last of both ends in the plain image and in the image.
        let (plain_end, stored_end) = match (block, stream) {
            (None, None) => (0, 0),
            (Some((number, block)), last) if last.is_none_or(|(_, stream)| block.plain_at > stream.plain_at) => {
                match block.end(plain_at) {
                    Ok(within) => return PlainPlace::Block(number, within),
                    Err(ends) => ends,
                }
            }
            (_, Some((number, stream))) => {
                let within = plain_at - stream.plain_at;
                if within < stream.plain_bytes {
                    return PlainPlace::Stream(number, within, stream.plain_bytes - within);
                }
                let stored_end = stream.stored_at.saturating_add(stream.stored_bytes);
                (stream.plain_at.saturating_add(stream.plain_bytes), stored_end)
            }
            (Some(_), None) => (0, 0),
        };
        PlainPlace::Stored(stored_end.saturating_add(plain_at.saturating_sub(plain_end)), end - plain_at)
    }

    /// The plain bytes of the largest block.
    pub(crate) fn largest_plain_bytes(&self) -> u32 {
        self.blocks.iter().map(|block| block.plain_bytes).max().unwrap_or_default()
    }

    /// Encodes the places for the catalog: about 22 bytes for each block, and 20 for each stream.
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
        varint::put(out, self.streams.len() as u64);
        for stream in &self.streams {
            let (codec, [dictionary_bytes, filter]) = match stream.codec {
                StreamCodec::Zstd => (ZSTD, [0, 0]),
                StreamCodec::Lzma2 { dictionary_bytes, filter } => (LZMA2, [dictionary_bytes, filter.into()]),
                _ => (DEFLATE, [0, 0]),
            };
            let PlacedStream { stored_at, stored_bytes, plain_at, plain_bytes, .. } = *stream;
            out.push(codec);
            for number in [dictionary_bytes.into(), filter.into(), stored_at, stored_bytes, plain_at, plain_bytes] {
                varint::put(out, number);
            }
        }
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
        let count = varint::take(blob).filter(|&count| count <= blob.len() as u64 / 7)?;
        let (mut streams, mut end): (Vec<PlacedStream>, _) = (Vec::with_capacity(count as usize), 0);
        for _ in 0..count {
            let stream = take_stream(blob).filter(|stream| stream.plain_at >= end)?;
            end = stream.plain_at.checked_add(stream.plain_bytes)?;
            streams.push(stream);
        }
        // By how much what is behind some streams lies farther behind in the plain image than in the image.
        let (mut shift, mut passed) = (0u64, streams.iter().peekable());
        for block in &mut blocks {
            while let Some(stream) = passed.next_if(|stream| stream.stored_at < block.stored_at) {
                shift = shift.wrapping_add(stream.plain_bytes).wrapping_sub(stream.stored_bytes);
            }
            block.plain_at = block.plain_at.wrapping_add(shift);
        }
        Some(Self { blocks, streams, hashes })
    }
}

/// Decodes a stream of [`DiskPlaces::encode`].
fn take_stream(blob: &mut &[u8]) -> Option<PlacedStream> {
    let (&codec, rest) = blob.split_first()?;
    *blob = rest;
    let (dictionary_bytes, filter) = (take_u32(blob)?, u8::try_from(varint::take(blob)?).ok()?);
    let codec = match codec {
        DEFLATE => StreamCodec::Deflate,
        ZSTD => StreamCodec::Zstd,
        LZMA2 => StreamCodec::Lzma2 { dictionary_bytes, filter },
        _ => return None,
    };
    let mut take = || varint::take(blob);
    let (stored_at, stored_bytes, plain_at, plain_bytes) = (take()?, take()?, take()?, take()?);
    Some(PlacedStream { codec, stored_at, stored_bytes, plain_at, plain_bytes })
}

impl PlacedBlock {
    /// The offset of a place in the block's plain bytes, or else where these end, and where the block ends in the image.
    fn end(&self, plain_at: u64) -> Result<u64, (u64, u64)> {
        let within = plain_at.saturating_sub(self.plain_at);
        if within < u64::from(self.plain_bytes) {
            return Ok(within);
        }
        let stored_end = self.stored_at.saturating_add(self.stored_bytes.into());
        Err((self.plain_at.saturating_add(self.plain_bytes.into()), stored_end))
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
