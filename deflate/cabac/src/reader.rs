//! The decoder.

use std::io::{self, Read};

use crate::CabacReader;
use crate::context::Context;
use crate::writer::split;

/// The contexts that preflate-rs (0.7.6) reads with whether a block ends elsewhere than expected, and whether a stored one
/// is shorter: behind the one of the kinds that occur, the first and the thirteenth of its `default_signal_ctx`.
const BLOCK_SIGNALS: [u16; 2] = [1, 13];

/// Reads from `R` what a [`crate::vp8::VP8Writer`] wrote, behind a budget.
#[derive(Debug)]
pub struct Reader<R> {
    low: u32,
    high: u32,
    number: u32,
    /// How many more bits may be read. The bits of nothing but zeros take no bytes, so that the input's length says
    /// nothing of how much can be read from it.
    budget: u32,
    /// How many more blocks may be said to end where they are not expected to. Such may be empty, and preflate-rs keeps
    /// some KB for each, so that the bits alone do not bound its memory well.
    blocks: u32,
    from: R,
}

impl<R: Read> Reader<R> {
    /// Begins to read. The first eight bytes, which no writer writes, are two little endian numbers: how many bits may be
    /// read, and how many blocks may end where they are not expected to.
    ///
    /// # Errors
    ///
    /// Those of `from`; [`io::ErrorKind::UnexpectedEof`] where these are cut off.
    pub fn new(mut from: R) -> io::Result<Self> {
        let (mut budget, mut blocks) = ([0; 4], [0; 4]);
        from.read_exact(&mut budget)?;
        from.read_exact(&mut blocks)?;
        let (budget, blocks) = (u32::from_le_bytes(budget), u32::from_le_bytes(blocks));
        let mut reader = Self { low: 0, high: u32::MAX, number: 0, budget, blocks, from };
        Context::restart_numbers();
        for _ in 0..4 {
            reader.shift_in()?;
        }
        Ok(reader)
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
        self.budget = self.budget.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
        if BLOCK_SIGNALS.contains(&context.number()) {
            self.blocks = self.blocks.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
        }
        let middle = split(self.low, self.high, *context);
        let bit = self.number > middle;
        if bit {
            self.low = middle + 1;
        } else {
            self.high = middle;
        }
        context.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.shift_in()?;
        }
        Ok(bit)
    }
}
