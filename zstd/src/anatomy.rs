//! Frames taken apart: the header, the blocks, and of each block its tables and its matches. Literals are not decoded, as
//! they follow from the plain bytes.

mod bits;
mod block;
mod recent;
mod tables;

use crate::error::ZstdError;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FrameHeader};

pub(crate) use block::{BlockReader, LiteralsKind, Mode, SEQUENCE_LIMITS, Shape};
pub(crate) use recent::Recent;
pub(crate) use tables::{Norms, read_code_lengths};

/// A match of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// The plain bytes of the frame before it.
    pub(crate) place: u64,
    pub(crate) length: u32,
    pub(crate) distance: u32,
    /// 1 to 3: the number that stands for a recent distance. 0: the distance itself is written.
    pub(crate) repeat: u8,
}

impl Token {
    /// The place behind the match.
    pub(crate) fn end(&self) -> u64 {
        self.place + u64::from(self.length)
    }
}

/// A block of a frame.
#[derive(Debug)]
pub(crate) struct Block {
    /// The plain bytes of the frame before the block.
    pub(crate) start: u64,
    pub(crate) plain_bytes: usize,
    pub(crate) is_last: bool,
    pub(crate) kind: BlockKind,
    /// The form of a compressed block.
    pub(crate) shape: Shape,
    pub(crate) tokens: Vec<Token>,
    /// The block as it stands in the frame, with its header.
    pub(crate) stored: Vec<u8>,
}

impl Block {
    /// The place behind the block's plain bytes.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.plain_bytes as u64
    }
}

/// Takes a frame apart that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    held: Vec<u8>,
    /// The bytes of `held` that are read.
    taken: usize,
    header: Option<(FrameHeader, Vec<u8>)>,
    blocks: BlockReader,
    place: u64,
    has_ended: bool,
}

impl FrameReader {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.taken);
        self.taken = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The header of the frame and its bytes, once a block was asked for behind it.
    pub(crate) fn header(&self) -> Option<&(FrameHeader, Vec<u8>)> {
        self.header.as_ref()
    }

    /// Whether the last block was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The bytes behind what was read.
    pub(crate) fn rest(&self) -> &[u8] {
        self.held.get(self.taken..).unwrap_or_default()
    }

    /// The next block; `None` if it is not whole, or if there are no more.
    ///
    /// # Errors
    /// The frame is damaged.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, ZstdError> {
        if self.header.is_none() {
            let Some(header) = FrameHeader::parse(self.rest())? else { return Ok(None) };
            let bytes = self.rest().get(..header.bytes).unwrap_or_default().to_vec();
            self.taken += header.bytes;
            self.header = Some((header, bytes));
        }
        let Some(header) = self.rest().first_chunk::<BLOCK_HEADER_BYTES>().filter(|_| !self.has_ended) else {
            return Ok(None);
        };
        let header = BlockHeader::parse(*header)?;
        let bytes = BLOCK_HEADER_BYTES + header.stored_bytes();
        let Some(stored) = self.rest().get(..bytes) else { return Ok(None) };
        let stored = stored.to_vec();
        self.taken += bytes;
        let (mut shape, mut tokens, mut plain_bytes) = (Shape::default(), Vec::new(), header.size);
        if header.kind == BlockKind::Compressed {
            let body = stored.get(BLOCK_HEADER_BYTES..).unwrap_or_default();
            (shape, plain_bytes) = self.blocks.read(body, self.place, &mut tokens).ok_or(ZstdError::Damaged)?;
        }
        let (start, kind, is_last) = (self.place, header.kind, header.is_last);
        self.place += plain_bytes as u64;
        self.has_ended = is_last;
        Ok(Some(Block { start, plain_bytes, is_last, kind, shape, tokens, stored }))
    }
}
