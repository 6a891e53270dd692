//! Finds the encoder of a disk image's blocks.

use super::{BlockEncoder, Lz4Blocks, LzoBlocks, XzBlocks, ZlibBlocks, zstd};
use crate::BlockCodec;

/// The encoders that make all of these blocks, each given as it is stored and with its plain bytes, the likelier ones first.
/// There is none if the format's encoders are not known here.
///
/// Each candidate is tried when it is asked for, and dropped at the first block that it does not make. A few blocks of some
/// KiB tell levels apart; an encoder that makes them may still differ in others.
pub fn recognise<'a>(
    codec: BlockCodec,
    blocks: &'a [(&'a [u8], &'a [u8])],
) -> impl Iterator<Item = BlockEncoder> + use<'a> {
    candidates(codec, blocks).filter(|known| blocks.iter().all(|(stored, plain)| makes(*known, stored, plain)))
}

/// The encoder that comes nearest to a block, if one comes so near that [`BlockEncoder::corrections`] are worth it.
#[must_use]
pub fn nearest(codec: BlockCodec, stored: &[u8], plain: &[u8]) -> Option<BlockEncoder> {
    match codec {
        BlockCodec::Zstd => zstd::nearest(stored, plain).map(BlockEncoder::Zstd),
        _ => None,
    }
}

fn candidates<'a>(
    codec: BlockCodec,
    blocks: &'a [(&'a [u8], &'a [u8])],
) -> Box<dyn Iterator<Item = BlockEncoder> + 'a> {
    let Some((first, _)) = blocks.first() else { return Box::new(std::iter::empty()) };
    match codec {
        BlockCodec::Zlib => Box::new(ZlibBlocks::candidates(first, true).map(BlockEncoder::Zlib)),
        BlockCodec::Deflate => Box::new(ZlibBlocks::candidates(first, false).map(BlockEncoder::Deflate)),
        BlockCodec::Zstd => Box::new(zstd::candidates(first).into_iter().map(BlockEncoder::Zstd)),
        BlockCodec::Xz => Box::new(XzBlocks::candidates(first).map(BlockEncoder::Xz)),
        BlockCodec::Lz4 => Box::new(Lz4Blocks::candidates().map(BlockEncoder::Lz4)),
        BlockCodec::Lzo => Box::new(LzoBlocks::candidates().map(BlockEncoder::Lzo)),
    }
}

fn makes(known: BlockEncoder, stored: &[u8], plain: &[u8]) -> bool {
    known.encode(plain).is_ok_and(|made| made == stored)
}
