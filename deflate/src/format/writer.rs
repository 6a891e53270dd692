//! The way back: exactly the bits of a stream from its parts.

use super::bit_writer::{BitWriter, DYNAMIC, FIXED, STORED};
use super::decode_table::DecodeTable;
use super::dynamic_header::DynamicHeader;
use super::prefix_code::{Code, codes};
use super::structure::{BlockKind, BlockStart, Token};
use super::symbols::Symbol;
use super::tables::{END_OF_BLOCK, FIXED_DISTANCE_BITS, FIXED_LITERAL_BITS};
use crate::DeflateError;

/// Writes parts as bits. What cannot be written is [`DeflateError::Corrections`].
pub(crate) struct StreamWriter {
    pub(crate) bits: BitWriter,
    literals: Vec<Code>,
    distances: Vec<Code>,
}

impl StreamWriter {
    pub(crate) fn new() -> Self {
        Self { bits: BitWriter::default(), literals: Vec::new(), distances: Vec::new() }
    }

    #[inline]
    fn put_code(&mut self, code: Option<Code>) -> Result<(), DeflateError> {
        let code = code.filter(|code| !code.is_none()).ok_or(DeflateError::Corrections)?;
        self.bits.put_code(code);
        Ok(())
    }

    /// Writes a block's beginning.
    pub(crate) fn block(&mut self, block: &BlockStart) -> Result<(), DeflateError> {
        match &block.kind {
            &BlockKind::Stored { padding, len } => {
                self.bits.put_block_start(STORED, block.is_last);
                self.bits.pad(padding);
                self.bits.put_stored_length(len);
            }
            BlockKind::Fixed => {
                self.bits.put_block_start(FIXED, block.is_last);
                (self.literals, self.distances) = (codes(&FIXED_LITERAL_BITS), codes(&FIXED_DISTANCE_BITS));
            }
            BlockKind::Dynamic(header) => {
                self.bits.put_block_start(DYNAMIC, block.is_last);
                self.header(header)?;
            }
        }
        Ok(())
    }

    fn header(&mut self, header: &DynamicHeader) -> Result<(), DeflateError> {
        let own = header.own_by_symbol();
        let is_sound = DecodeTable::of_code_lengths(&own).is_ok()
            && DecodeTable::of_literals(header.literal_lengths()).is_ok()
            && DecodeTable::of_distances(header.distance_lengths()).is_ok()
            && header.steps.iter().all(|step| own.get(usize::from(step.symbol)).is_some_and(|&length| length > 0));
        if !is_sound {
            return Err(DeflateError::Corrections);
        }
        header.write(&mut self.bits);
        self.literals = codes(header.literal_lengths());
        self.distances = codes(header.distance_lengths());
        Ok(())
    }

    pub(crate) fn token(&mut self, token: Token) -> Result<(), DeflateError> {
        let Some((length, distance)) = token.as_match() else {
            let code = token.as_literal().and_then(|byte| self.literals.get(usize::from(byte)).copied());
            return self.put_code(code);
        };
        let symbol = Symbol::of_length(length);
        self.put_code(self.literals.get(symbol.number).copied())?;
        self.bits.put((token.plain_bytes() - symbol.base).into(), symbol.extra.into());
        let symbol = Symbol::of_distance(distance);
        self.put_code(self.distances.get(symbol.number).copied())?;
        self.bits.put((distance - symbol.base).into(), symbol.extra.into());
        Ok(())
    }

    /// Writes bytes of a stored block, which begin at a whole byte.
    pub(crate) fn stored(&mut self, bytes: &[u8]) {
        self.bits.put_bytes(bytes);
    }

    /// Writes the end of a block with codes.
    pub(crate) fn end_of_block(&mut self) -> Result<(), DeflateError> {
        self.put_code(self.literals.get(END_OF_BLOCK).copied())
    }

    /// Writes the rest of the last byte.
    pub(crate) fn pad(&mut self, padding: u8) {
        self.bits.pad(padding);
    }
}
