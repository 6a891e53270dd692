//! The stream itself, as the side that knows it goes through it.

use std::collections::VecDeque;

use super::plain::Plain;
use super::predicted::BLOCK_BYTES;
use crate::DeflateError;
use crate::format::parser::Parser;
use crate::format::structure::{BlockStart, Sink, Token};

/// Marks among tokens: a block begins, a block ends.
pub(super) const BLOCK_MARK: u16 = 0;
const END_MARK: u16 = 1;

/// The stream itself, from the place on up to which it was compared.
pub(super) struct Actual {
    parser: Parser,
    pub(super) parts: ActualParts,
}

/// Its parts. Bytes of stored blocks are only counted.
pub(super) struct ActualParts {
    /// Tokens, and marks for what comes between them.
    pub(super) tokens: VecDeque<Token>,
    pub(super) blocks: VecDeque<BlockStart>,
    pub(super) plain: Plain,
    pub(super) parsed: u64,
    pub(super) padding: u8,
}

impl Actual {
    pub(super) fn new() -> Self {
        let parts = ActualParts {
            tokens: VecDeque::new(),
            blocks: VecDeque::new(),
            plain: Plain::new(),
            parsed: 0,
            padding: 0,
        };
        Self { parser: Parser::new(), parts }
    }

    pub(super) fn push(&mut self, stored: &[u8]) -> Result<(), DeflateError> {
        self.parser.push(stored, &mut self.parts)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.parser.is_ended()
    }
}

impl ActualParts {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.tokens.len() * size_of::<Token>() + self.blocks.len() * BLOCK_BYTES
    }
}

impl Sink for ActualParts {
    fn block(&mut self, block: BlockStart) {
        self.tokens.push_back(Token::mark(BLOCK_MARK));
        self.blocks.push_back(block);
    }

    fn token(&mut self, token: Token) {
        self.tokens.push_back(token);
        self.parsed += u64::from(token.plain_bytes());
        self.plain.token(token);
    }

    fn stored(&mut self, bytes: &[u8]) {
        self.parsed += bytes.len() as u64;
        self.plain.bytes(bytes);
    }

    fn end_of_block(&mut self, _end_bit: u64) {
        self.tokens.push_back(Token::mark(END_MARK));
    }

    fn end(&mut self, padding: u8) {
        self.padding = padding;
    }
}
