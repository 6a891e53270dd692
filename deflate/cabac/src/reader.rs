//! The decoder.

use std::io::{self, Read};

use crate::CabacReader;
use crate::context::Context;
use crate::writer::split;

/// Reads from `R` what a [`crate::vp8::VP8Writer`] wrote, behind a budget.
#[derive(Debug)]
pub struct Reader<R> {
    low: u32,
    high: u32,
    number: u32,
    /// How many more bits may be read. The bits of nothing but zeros take no bytes, so that the input's length says
    /// nothing of how much can be read from it.
    budget: u32,
    from: R,
}

impl<R: Read> Reader<R> {
    /// Begins to read. The first four bytes, which no writer writes, are the budget: how many bits may be read, a little
    /// endian number.
    ///
    /// # Errors
    ///
    /// Those of `from`; [`io::ErrorKind::UnexpectedEof`] where the budget is cut off.
    pub fn new(mut from: R) -> io::Result<Self> {
        let mut budget = [0; 4];
        from.read_exact(&mut budget)?;
        let mut reader = Self { low: 0, high: u32::MAX, number: 0, budget: u32::from_le_bytes(budget), from };
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
