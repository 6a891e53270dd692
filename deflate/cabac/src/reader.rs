//! The decoder.

use std::io::{self, Read};

use crate::CabacReader;
use crate::context::Context;
use crate::writer::split;

/// The signals of preflate-rs (0.7.6): a one where what is predicted is right. They come behind the context of the
/// kinds that occur, one for each kind: whether a block has another count of tokens than expected, ...
const TOKEN_COUNT_SIGNAL: u16 = 1;
/// ... whether a stored block is shorter than 65,535 bytes, ...
const STORED_BYTES_SIGNAL: u16 = 13;
/// ... and whether a block follows although the plain bytes are at their end.
const END_OF_CHUNK_SIGNAL: u16 = 15;
/// Counts of tokens are read with these: the first of the 32 contexts for the length of the number in bits, and the
/// first of the 32 for the bits below the highest. Before them come the 17 signals, and the contexts of how often a
/// prediction is right, 64 for each of the 17 kinds.
const TOKEN_COUNT_LENGTH: u16 = 18 + 2 * 17 * 32;
const TOKEN_COUNT_BITS: u16 = TOKEN_COUNT_LENGTH + 17 * 32;

/// What may be read: little endian numbers in this order, which no writer writes, come before all else.
///
/// The input's length says nothing of how much can be read from it: the bits of nothing but zeros take no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bits.
    pub bits: u32,
    /// Blocks that end where they are not expected to. Such blocks may be empty, and preflate-rs keeps some KB for
    /// each, so the bits alone do not bound its memory well.
    pub blocks: u32,
    /// Tokens that all the blocks together say they have. preflate-rs reserves room for a block's tokens before it
    /// reads them.
    pub tokens: u32,
}

impl Budget {
    /// No bound at all.
    pub const ENDLESS: Self = Self { bits: u32::MAX, blocks: u32::MAX, tokens: u32::MAX };

    /// What a [`Reader`] begins with.
    #[must_use]
    pub fn encode(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let numbers = [self.bits, self.blocks, self.tokens];
        bytes.chunks_exact_mut(4).zip(numbers).for_each(|(part, number)| part.copy_from_slice(&number.to_le_bytes()));
        bytes
    }
}

/// Reads from `R` what a [`crate::vp8::VP8Writer`] wrote, behind a [`Budget`].
#[derive(Debug)]
pub struct Reader<R> {
    low: u32,
    high: u32,
    number: u32,
    left: Budget,
    /// Whether a block said its own size since one was last said to follow the end of the plain bytes.
    sized: bool,
    from: R,
}

impl<R: Read> Reader<R> {
    /// Begins to read, with the [`Budget`].
    ///
    /// # Errors
    ///
    /// Those of `from`; [`io::ErrorKind::UnexpectedEof`] where the budget is cut off.
    pub fn new(mut from: R) -> io::Result<Self> {
        let mut next = || {
            let mut number = [0; 4];
            from.read_exact(&mut number).map(|()| u32::from_le_bytes(number))
        };
        let left = Budget { bits: next()?, blocks: next()?, tokens: next()? };
        let mut reader = Self { low: 0, high: u32::MAX, number: 0, left, sized: true, from };
        Context::restart_numbers();
        for _ in 0..4 {
            reader.shift_in()?;
        }
        Ok(reader)
    }

    /// Looks at a signal of a block's size or end.
    ///
    /// A block without a size of its own gets room for as many tokens as its compressor's buffer holds. Before the end
    /// of the plain bytes it fills that room. Behind it only the last block may do without a size, or else blocks that
    /// hold nothing would reserve far more than the budget of tokens.
    fn count(&mut self, signal: u16, as_predicted: bool) -> io::Result<()> {
        if signal == END_OF_CHUNK_SIGNAL {
            let sized = as_predicted || std::mem::replace(&mut self.sized, false);
            return if sized { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        self.left.blocks = self.left.blocks.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
        self.sized |= !as_predicted;
        Ok(())
    }

    fn shift_in(&mut self) -> io::Result<()> {
        let mut byte = [0];
        // Past the end there are zeros.
        while let Err(error) = self.from.read(&mut byte) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.number = self.number << 8 | u32::from(byte[0]);
        Ok(())
    }
}

impl<R: Read> CabacReader<Context> for Reader<R> {
    fn get(&mut self, context: &mut Context) -> io::Result<bool> {
        self.left.bits = self.left.bits.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
        let middle = split(self.low, self.high, *context);
        let bit = self.number > middle;
        if bit {
            self.low = middle + 1;
        } else {
            self.high = middle;
        }
        if matches!(context.number(), TOKEN_COUNT_SIGNAL | STORED_BYTES_SIGNAL | END_OF_CHUNK_SIGNAL) {
            self.count(context.number(), bit)?;
        }
        context.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.shift_in()?;
        }
        Ok(bit)
    }

    /// Counts of tokens are paid for before anything is reserved for them.
    fn took(&mut self, context: &Context, number: u64) -> io::Result<()> {
        let tokens = match context.number() {
            // The highest bit of a number of this length.
            TOKEN_COUNT_LENGTH if number > 0 => 1 << (number - 1),
            TOKEN_COUNT_BITS => number,
            _ => return Ok(()),
        };
        let left = u64::from(self.left.tokens).checked_sub(tokens).ok_or(io::ErrorKind::InvalidData)?;
        // Not more than before.
        self.left.tokens = left as u32;
        Ok(())
    }
}
