//! The encoders of a coded disk image's pieces.

use regrow_disk::codec::{BlockEncoder, FillEncoder};
use regrow_index::{DiskPiece, StreamPiece};

use crate::coded::stream::CodedEncoder;

/// The memory of all blocks that one maker encodes at the same time, unless one block takes more.
pub(super) const MAX_MEMORY_BYTES: u64 = 64 << 20;

/// The encoder of a piece of a coded disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceEncoder {
    /// It makes each block of its own plain bytes.
    Block(BlockEncoder),
    /// It fills up blocks.
    Fill(FillEncoder),
    /// It makes a stream.
    Stream(CodedEncoder),
}

/// The encoder of a piece of a coded disk image, if it has one.
///
/// # Errors
/// The reason why the piece cannot be made here.
pub fn piece_encoder(piece: &DiskPiece) -> Result<Option<PieceEncoder>, String> {
    let block = |encoder, plain_bytes| block_encoder(encoder, plain_bytes).map(PieceEncoder::Block).map(Some);
    match piece {
        DiskPiece::Plain(_) | DiskPiece::Kept(_) | DiskPiece::Held(_) | DiskPiece::HashTree(_) => Ok(None),
        DiskPiece::Run(run) => block(&run.encoder, run.plain_bytes),
        DiskPiece::Corrected(corrected) => block(&corrected.encoder, corrected.plain_bytes),
        DiskPiece::Filled(run) => fill_encoder(&run.encoder).map(PieceEncoder::Fill).map(Some),
        DiskPiece::Stream(stream) => CodedEncoder::of_stream(stream).map(PieceEncoder::Stream).map(Some),
    }
}

pub(super) fn block_encoder(mut bytes: &[u8], plain_bytes: u32) -> Result<BlockEncoder, String> {
    let known = BlockEncoder::take(&mut bytes).filter(|_| bytes.is_empty()).ok_or_else(|| UNKNOWN.to_owned())?;
    match known.unavailable(plain_bytes.into()) {
        Some(reason) => Err(format!("the image is a disk image with blocks that cannot be made again: {reason}")),
        None => Ok(known),
    }
}

pub(super) fn fill_encoder(mut bytes: &[u8]) -> Result<FillEncoder, String> {
    FillEncoder::take(&mut bytes).filter(|_| bytes.is_empty()).ok_or_else(|| UNKNOWN.to_owned())
}

const UNKNOWN: &str =
    "the image is a disk image with blocks of an encoder that this regrow does not know; use a newer regrow";

/// The name of an encoder of blocks, with its parameters, if it is known.
#[must_use]
pub fn block_encoder_name(encoder: &[u8]) -> Option<String> {
    let block = BlockEncoder::take(&mut &*encoder).map(|known| known.to_string());
    block.or_else(|| FillEncoder::take(&mut &*encoder).map(|known| known.to_string()))
}

/// The name of the encoder of a piece with a stream, with its parameters, if it is known.
#[must_use]
pub fn stream_encoder_name(stream: &StreamPiece) -> Option<String> {
    CodedEncoder::of_stream(stream).ok().map(CodedEncoder::words)
}

/// The number of plain bytes behind some pieces that their encoders look at, too.
#[must_use]
pub fn bytes_behind(pieces: &[DiskPiece]) -> u64 {
    let (mut most, mut after) = (0, 0u64);
    for piece in pieces.iter().rev() {
        most = piece.behind_bytes().saturating_sub(after).max(most);
        after = after.saturating_add(piece.plain_bytes());
    }
    most
}

/// About how many bytes of memory a maker of these pieces takes.
#[must_use]
pub fn disk_memory_bytes(pieces: &[DiskPiece]) -> u64 {
    // A hash tree is made in memory, level by level and as a whole.
    let tree = pieces.iter().filter(|piece| matches!(piece, DiskPiece::HashTree(_))).map(DiskPiece::stored_bytes);
    let blocks = largest_block_bytes(pieces).max(MAX_MEMORY_BYTES.min(largest_block_bytes(pieces) * most_in_flight()));
    blocks.saturating_add(2 * tree.max().unwrap_or(0))
}

/// The memory of the block that takes most of it.
pub(super) fn largest_block_bytes(pieces: &[DiskPiece]) -> u64 {
    let bytes = |piece: &DiskPiece| {
        let plain_bytes = match piece {
            DiskPiece::Plain(_) | DiskPiece::Kept(_) | DiskPiece::Held(_) | DiskPiece::HashTree(_) => 0,
            DiskPiece::Stream(stream) => u64::from(!stream.corrections.is_empty()),
            DiskPiece::Run(run) => run.plain_bytes.into(),
            DiskPiece::Filled(run) => run.largest_bytes(),
            DiskPiece::Corrected(block) => block.plain_bytes.into(),
        };
        Some(match piece_encoder(piece).ok()?? {
            PieceEncoder::Block(known) => known.memory_bytes(plain_bytes),
            PieceEncoder::Fill(known) => known.memory_bytes(plain_bytes),
            PieceEncoder::Stream(known) => known.memory_bytes(plain_bytes > 0),
        })
    };
    pieces.iter().filter_map(bytes).max().unwrap_or(1).max(1)
}

pub(super) fn most_in_flight() -> u64 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64 + 1)
}
