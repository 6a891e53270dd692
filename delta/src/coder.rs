//! Binary arithmetic coding: one bit at a time, each with the probability that a model gives.
//!
//! This is the carry-less 32-bit range coder of Matt Mahoney's lpaq. Encoder and decoder share a trait, so that a
//! model is written only once. The model passes the bit that it knows, and goes on with the bit that it gets back;
//! when encoding, the two are the same.

use std::io::{self, Read};

use crate::error::DeltaError;

/// A coder of bits.
pub(crate) trait BitCoder {
    /// Checks whether it makes sense to go on; an input may have ended.
    ///
    /// # Errors
    /// [`DeltaError::Damaged`] if the input ended, [`DeltaError::Input`] if it could not be read.
    fn check(&mut self) -> Result<(), DeltaError> {
        Ok(())
    }

    /// Codes a bit whose probability of being 1 is `p1 / 65536`, with 0 < p1 < 65536. `bit` matters only when
    /// encoding. Returns the bit that was coded.
    fn bit(&mut self, p1: u32, bit: u32) -> u32;

    /// Says which byte of the target the bits since the last call were needed for.
    #[inline]
    fn charge(&mut self, _target_at: u64) {}
}

/// Splits `low..=high` by a probability. A 1 lies at or below the result.
#[inline]
fn split(low: u32, high: u32, p1: u32) -> u32 {
    low + ((u64::from(high - low) * u64::from(p1)) >> 16) as u32
}

/// An encoder of bits.
pub(crate) struct BitEncoder {
    low: u32,
    high: u32,
    /// The output so far that was not taken away yet.
    pub(crate) out: Vec<u8>,
}

impl BitEncoder {
    pub(crate) fn new() -> Self {
        Self { low: 0, high: u32::MAX, out: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The decoder reads zeros behind the end, so one byte within the interval is enough in most cases.
        let last = (self.low.wrapping_add(0x00ff_ffff)) & 0xff00_0000;
        if self.low == 0 {
            // The zeros behind the end serve as they are.
        } else if last >= self.low && last <= self.high {
            self.out.push((last >> 24) as u8);
        } else {
            self.out.extend_from_slice(&self.low.to_be_bytes());
        }
        self.out
    }
}

impl BitCoder for BitEncoder {
    #[inline]
    fn bit(&mut self, p1: u32, bit: u32) -> u32 {
        let middle = split(self.low, self.high, p1);
        if bit != 0 {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.out.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// The number of bytes that are read at a time.
const INPUT_BYTES: usize = 64 << 10;

/// A decoder of bits. Behind the input's end come zeros, which [`BitCoder::check`] reports.
pub(crate) struct BitDecoder<R> {
    low: u32,
    high: u32,
    code: u32,
    input: R,
    buffer: Box<[u8]>,
    at: usize,
    filled: usize,
    /// The number of zeros that were read behind the end.
    behind: u64,
    failed: Option<io::Error>,
}

impl<R: Read> BitDecoder<R> {
    pub(crate) fn new(input: R) -> Self {
        let buffer = vec![0; INPUT_BYTES].into_boxed_slice();
        let (at, filled, behind, failed) = (0, 0, 0, None);
        let mut decoder = Self { low: 0, high: u32::MAX, code: 0, input, buffer, at, filled, behind, failed };
        for _ in 0..4 {
            decoder.shift();
        }
        decoder
    }

    #[inline]
    fn shift(&mut self) {
        if self.at == self.filled {
            self.fill();
        }
        let byte = if self.at < self.filled { self.buffer[self.at] } else { 0 };
        self.at += usize::from(self.at < self.filled);
        self.code = self.code << 8 | u32::from(byte);
    }

    /// Reads on. If there is nothing, it counts a zero.
    #[cold]
    fn fill(&mut self) {
        (self.at, self.filled) = (0, 0);
        while self.behind == 0 {
            match self.input.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(filled) => {
                    self.filled = filled;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        self.behind += 1;
    }

    /// Checks that all of the input was read.
    pub(crate) fn finish(mut self) -> Result<(), DeltaError> {
        self.check()?;
        if self.at == self.filled && self.behind == 0 {
            self.fill();
        }
        self.check()?;
        if self.at == self.filled { Ok(()) } else { Err(DeltaError::Damaged("bytes follow its end")) }
    }
}

impl<R: Read> BitCoder for BitDecoder<R> {
    fn check(&mut self) -> Result<(), DeltaError> {
        if let Some(error) = self.failed.take() {
            return Err(DeltaError::Input(error));
        }
        // An encoder leaves out four bytes at most; the check at the end looks for one more.
        if self.behind > 5 { Err(DeltaError::Damaged("it ends early")) } else { Ok(()) }
    }

    #[inline]
    fn bit(&mut self, p1: u32, _bit: u32) -> u32 {
        let middle = split(self.low, self.high, p1);
        let bit = u32::from(self.code <= middle);
        if bit != 0 {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.shift();
        }
        bit
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_at_any_probability() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as u32
        };
        for bits in [0, 1, 2, 7, 100, 20_000] {
            let coded: Vec<(u32, u32)> = (0..bits)
                .map(|_| {
                    let p1 = match next() % 4 {
                        0 => 1,
                        1 => 65_535,
                        _ => 1 + next() % 65_535,
                    };
                    (p1, u32::from(next() % 65_536 < p1))
                })
                .collect();
            let mut encoder = BitEncoder::new();
            for &(p1, bit) in &coded {
                encoder.bit(p1, bit);
            }
            let bytes = encoder.finish();
            let mut decoder = BitDecoder::new(&bytes[..]);
            for &(p1, bit) in &coded {
                assert_eq!(decoder.bit(p1, 0), bit);
            }
            decoder.finish().unwrap();
        }
    }
}
