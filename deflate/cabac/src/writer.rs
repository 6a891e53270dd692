//! The encoder.

use std::io::{self, Write};

use crate::CabacWriter;
use crate::context::{BITS, Context};

/// The place where the interval is split: its lower part, up to this and with it, is the zero's, so that zeros alone
/// are written as no bytes at all.
pub(crate) fn split(low: u32, high: u32, context: Context) -> u32 {
    let zero = (1 << BITS) - u64::from(context.one());
    // Less than `high`: the share is less than all, and an interval whose ends share no byte holds two numbers at
    // least.
    low + ((u64::from(high - low) * zero) >> BITS) as u32
}

/// Writes bits to `W`.
#[derive(Debug)]
pub struct Writer<W> {
    low: u32,
    high: u32,
    /// Zero bytes that are written only when another byte follows: a reader adds as many zeros as it needs.
    zeros: usize,
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins to write.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new(to: W) -> io::Result<Self> {
        Ok(Self { low: 0, high: u32::MAX, zeros: 0, to })
    }

    fn write(&mut self, byte: u8) -> io::Result<()> {
        if byte == 0 {
            self.zeros += 1;
            return Ok(());
        }
        for _ in 0..std::mem::take(&mut self.zeros) {
            self.to.write_all(&[0])?;
        }
        self.to.write_all(&[byte])
    }
}

impl<W: Write> CabacWriter<Context> for Writer<W> {
    fn put(&mut self, bit: bool, context: &mut Context) -> io::Result<()> {
        let middle = split(self.low, self.high, *context);
        if bit {
            self.low = middle + 1;
        } else {
            self.high = middle;
        }
        context.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.write((self.high >> 24) as u8)?;
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        Ok(())
    }

    /// The fewest bytes that, with zeros after them, lie in the interval.
    fn finish(&mut self) -> io::Result<()> {
        let number = [0u32, 8, 16, 24].iter().rev().find_map(|&zero_bits| {
            let unit = 1u64 << zero_bits;
            let number = u64::from(self.low).next_multiple_of(unit);
            (number <= u64::from(self.high)).then_some(number as u32)
        });
        // The last try, with no zero bits, is `low` itself.
        for byte in number.unwrap_or(self.low).to_be_bytes() {
            self.write(byte)?;
        }
        self.to.flush()
    }
}
