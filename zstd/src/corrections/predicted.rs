//! What an encoder makes of the plain bytes: the prediction that corrections refer to.

use std::collections::VecDeque;

use crate::anatomy::{Block, FrameReader, Shape, Token};
use crate::encoders::{KnownEncoder, Reencoder};
use crate::error::ZstdError;
use crate::format::BlockKind;

/// A block of the prediction.
#[derive(Debug)]
pub(super) struct PredictedBlock {
    end: u64,
    pub(super) shape: Option<Shape>,
}

/// The predicted blocks and matches that were not passed yet.
#[derive(Debug)]
pub(super) struct Predicted {
    encoder: Reencoder,
    reader: FrameReader,
    made: Vec<u8>,
    blocks: VecDeque<PredictedBlock>,
    tokens: VecDeque<Token>,
    /// The plain bytes of the blocks so far.
    end: u64,
    is_finished: bool,
}

impl Predicted {
    pub(super) fn new(known: KnownEncoder, plain_bytes: u64) -> Self {
        Self {
            encoder: Reencoder::new(known, plain_bytes),
            reader: FrameReader::default(),
            made: Vec::new(),
            blocks: VecDeque::new(),
            tokens: VecDeque::new(),
            end: 0,
            is_finished: false,
        }
    }

    /// Takes the next plain bytes.
    ///
    /// # Errors
    /// The encoder makes no frame of them.
    pub(super) fn write(&mut self, plain: &[u8]) -> Result<(), ZstdError> {
        self.encoder.write(plain, &mut self.made);
        self.read()
    }

    /// Ends the plain bytes, unless that was done already.
    ///
    /// # Errors
    /// As of [`Predicted::write`].
    pub(super) fn finish(&mut self) -> Result<(), ZstdError> {
        if self.is_finished {
            return Ok(());
        }
        self.encoder.finish(&mut self.made);
        self.is_finished = true;
        self.read()
    }

    fn read(&mut self) -> Result<(), ZstdError> {
        self.reader.push(&self.made);
        self.made.clear();
        while let Some(block) = self.reader.next_block()? {
            self.end = block.end();
            let Block { kind, shape, tokens, .. } = block;
            let shape = (kind == BlockKind::Compressed).then_some(shape);
            self.blocks.push_back(PredictedBlock { end: self.end, shape });
            self.tokens.extend(tokens);
        }
        Ok(())
    }

    /// The bytes of the frame's header; `None` if they are not there yet.
    pub(super) fn header(&self) -> Option<&[u8]> {
        match self.reader.header() {
            Some((_, bytes)) => Some(bytes),
            None => self.is_finished.then_some(&[]),
        }
    }

    /// Whether all is there that is predicted of the plain bytes up to a place.
    pub(super) fn covers(&self, place: u64) -> bool {
        self.end >= place || self.is_finished
    }

    /// Passes the blocks that end at a place or before it.
    pub(super) fn pass_blocks(&mut self, place: u64) {
        while self.blocks.front().is_some_and(|block| block.end <= place) {
            self.blocks.pop_front();
        }
    }

    /// The end of the block in which the plain byte at a place lies, if it was not passed.
    pub(super) fn block_end(&self, place: u64) -> Option<u64> {
        self.block_at(place).map(|block| block.end)
    }

    /// The block in which the plain byte at a place lies, if it was not passed.
    pub(super) fn block_at(&self, place: u64) -> Option<&PredictedBlock> {
        self.blocks.iter().find(|block| block.end > place)
    }

    /// The first match that does not begin before a place. Those before it are passed.
    pub(super) fn match_from(&mut self, place: u64) -> Option<Token> {
        while self.tokens.front().is_some_and(|token| token.place < place) {
            self.tokens.pop_front();
        }
        self.tokens.front().copied()
    }

    /// Passes the first match.
    pub(super) fn pass_match(&mut self) {
        self.tokens.pop_front();
    }
}
