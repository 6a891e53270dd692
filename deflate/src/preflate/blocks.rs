//! The blocks of a deflate stream: their kinds and sizes.

use crate::format::parser::Parser;
use crate::format::structure::{BlockKind, BlockStart, Sink, Token};

/// The kind of a block, as preflate-rs tells blocks apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockType {
    Stored,
    Fixed,
    Dynamic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MeasuredBlock {
    pub(crate) kind: BlockType,
    /// Literals and matches, without the end of the block; of a stored block its bytes.
    pub(crate) tokens: usize,
    /// The place in the stream where it ends, in bits.
    pub(crate) end_bit: usize,
    /// The place in the plain bytes where it ends.
    pub(crate) plain_end: usize,
}

/// The blocks of a stream that was already inflated; `None` for what is none.
pub(crate) fn of_stream(stored: &[u8]) -> Option<Vec<MeasuredBlock>> {
    let (mut parser, mut list) = (Parser::new(), BlockList::default());
    parser.push(stored, &mut list).ok()?;
    parser.is_ended().then_some(list.blocks)
}

/// Collects blocks; the last one grows until its end.
#[derive(Default)]
struct BlockList {
    blocks: Vec<MeasuredBlock>,
    plain_bytes: usize,
}

impl Sink for BlockList {
    fn block(&mut self, start: BlockStart) {
        let kind = match start.kind {
            BlockKind::Stored { .. } => BlockType::Stored,
            BlockKind::Fixed => BlockType::Fixed,
            BlockKind::Dynamic(_) => BlockType::Dynamic,
        };
        self.blocks.push(MeasuredBlock { kind, tokens: 0, end_bit: 0, plain_end: 0 });
    }

    fn token(&mut self, token: Token) {
        self.plain_bytes += usize::from(token.plain_bytes());
        self.blocks.last_mut().into_iter().for_each(|block| block.tokens += 1);
    }

    fn stored(&mut self, bytes: &[u8]) {
        self.plain_bytes += bytes.len();
        self.blocks.last_mut().into_iter().for_each(|block| block.tokens += bytes.len());
    }

    fn end_of_block(&mut self, end_bit: u64) {
        if let Some(block) = self.blocks.last_mut() {
            (block.end_bit, block.plain_end) = (end_bit as usize, self.plain_bytes);
        }
    }

    fn end(&mut self, _padding: u8) {}
}
