//! The adaptive binary coder that preflate-rs writes its corrections with.
//!
//! preflate-rs as it is published takes the coder from another crate of this library's name; regrow's copy of it
//! (`third-party/preflate-rs`) takes this one. It was written for regrow, from the calls that preflate-rs makes, for
//! three reasons: that crate is under the LGPL, which regrow must not be linked with (deny.toml); its reader goes on
//! for ever past the end of its input, and preflate-rs with it, while this one has budgets; and it spends bytes on what
//! is wholly predicted, where this one spends none.
//!
//! The coder is the carry-less range coder of Matt Mahoney's lpaq: an interval of 32-bit numbers is split by each
//! bit's probability, and the leading bytes that its ends share are written.

mod context;
mod reader;
mod writer;

use std::io;

pub use reader::Budget;

/// The names that preflate-rs knows the coder by.
pub mod vp8 {
    pub use crate::context::Context as VP8Context;
    pub use crate::reader::Reader as VP8Reader;
    pub use crate::writer::Writer as VP8Writer;
}

/// Numbers have at most this many bits: far more than what preflate-rs can have to say of a stream that is kept in
/// memory, and little enough that what it allocates by such a number stays small.
pub const MAX_NUMBER_BITS: usize = 24;

/// Writes bits, each with a context that learns how likely it is.
pub trait CabacWriter<C> {
    /// Writes one bit.
    ///
    /// # Errors
    ///
    /// The errors of what is written to.
    fn put(&mut self, bit: bool, context: &mut C) -> io::Result<()>;

    /// Writes what is still held back. To be called once, at the end.
    ///
    /// # Errors
    ///
    /// The errors of what is written to.
    fn finish(&mut self) -> io::Result<()>;

    /// Writes the lowest `count` bits, the highest first, each with the context of its place or else the last one.
    ///
    /// # Errors
    ///
    /// The errors of what is written to.
    fn put_n_bits<const N: usize>(&mut self, bits: u64, count: usize, contexts: &mut [C; N]) -> io::Result<()> {
        (0..count).rev().try_for_each(|place| self.put(bits >> place & 1 == 1, &mut contexts[place.min(N - 1)]))
    }

    /// Writes as many ones as `number` says, then a zero.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] above [`MAX_NUMBER_BITS`], and those of what is written to.
    fn put_unary_encoded<const N: usize>(&mut self, number: usize, contexts: &mut [C; N]) -> io::Result<()> {
        if number > MAX_NUMBER_BITS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        (0..=number).try_for_each(|place| self.put(place < number, &mut contexts[place.min(N - 1)]))
    }
}

/// Reads what a [`CabacWriter`] wrote, by contexts in the same states.
pub trait CabacReader<C> {
    /// Reads one bit.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] when the budget is used up, and those of what is read from.
    fn get(&mut self, context: &mut C) -> io::Result<bool>;

    /// Reads `count` bits.
    ///
    /// # Errors
    ///
    /// The errors of [`CabacReader::get`].
    fn get_n_bits<const N: usize>(&mut self, count: usize, contexts: &mut [C; N]) -> io::Result<u64> {
        let mut bits = 0;
        for place in (0..count).rev() {
            bits = bits << 1 | u64::from(self.get(&mut contexts[place.min(N - 1)])?);
        }
        self.took(&contexts[0], bits)?;
        Ok(bits)
    }

    /// Reads the number of ones before a zero.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] above [`MAX_NUMBER_BITS`], and those of [`CabacReader::get`].
    fn get_unary_encoded<const N: usize>(&mut self, contexts: &mut [C; N]) -> io::Result<usize> {
        let mut number = 0;
        while self.get(&mut contexts[number.min(N - 1)])? {
            number += 1;
            if number > MAX_NUMBER_BITS {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.took(&contexts[0], number as u64)?;
        Ok(number)
    }

    /// Is told each number that was read, with the first of its contexts.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if a number of this kind may not be that large.
    fn took(&mut self, _context: &C, _number: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
