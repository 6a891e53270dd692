//! Decodes LZO1X streams, of which it accepts those that liblzo2's `lzo1x_decompress_safe` accepts.

use super::stream::{self, Before, Instruction, MIN_BYTES};
use crate::codec::BlockError;

/// The plain bytes of a stream.
pub(in crate::codec) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let mut decoder = Decoder { left: stored, plain: Vec::new(), most };
    let mut before = Before::Match;
    if let Some(literals) = stream::first_run(stored) {
        decoder.left = &stored[1..];
        decoder.literals(literals)?;
        before = Before::after_first(literals);
    }
    loop {
        let (instruction, bytes) = stream::read(decoder.left, before).ok_or(BlockError::Damaged)?;
        decoder.left = &decoder.left[bytes..];
        before = match instruction {
            Instruction::Run(literals) => {
                decoder.literals(literals)?;
                Before::Run
            }
            Instruction::Match(found) => {
                decoder.copy(found.length, found.distance)?;
                decoder.literals(found.trailing)?;
                Before::after_match(found.trailing)
            }
            Instruction::End if decoder.left.is_empty() => return Ok(decoder.plain),
            Instruction::End => return Err(BlockError::Trailing),
        };
    }
}

struct Decoder<'a> {
    left: &'a [u8],
    plain: Vec<u8>,
    most: usize,
}

impl Decoder<'_> {
    /// Takes literals. Another instruction must follow them.
    #[inline]
    fn literals(&mut self, count: usize) -> Result<(), BlockError> {
        self.check_room(count)?;
        let (literals, rest) = self.left.split_at_checked(count).ok_or(BlockError::Damaged)?;
        if rest.len() < MIN_BYTES {
            return Err(BlockError::Damaged);
        }
        self.plain.extend_from_slice(literals);
        self.left = rest;
        Ok(())
    }

    /// Repeats bytes, some of which the match itself may make.
    #[inline]
    fn copy(&mut self, length: usize, distance: usize) -> Result<(), BlockError> {
        self.check_room(length)?;
        let start = self.plain.len().checked_sub(distance).ok_or(BlockError::Damaged)?;
        let mut left = length;
        while left > 0 {
            let bytes = left.min(self.plain.len() - start);
            self.plain.extend_from_within(start..start + bytes);
            left -= bytes;
        }
        Ok(())
    }

    #[inline]
    fn check_room(&self, bytes: usize) -> Result<(), BlockError> {
        if bytes > self.most - self.plain.len() { Err(BlockError::TooLong(self.most)) } else { Ok(()) }
    }
}
