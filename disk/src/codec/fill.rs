//! Encoders that fill up blocks: they take as many plain bytes as go into a block of a given size. So how much each block
//! holds follows from the plain bytes, of which such an encoder also looks at those behind its block.

use std::fmt;

use lzzzz::{lz4, lz4_hc};
use regrow_zstd::{put_number, take_number};

use super::BlockError;
use crate::BlockCodec;

/// The numbers that stand for these encoders in files. docs/format/disk.md, section 11.
const LZ4_FAST: u64 = 0x2022;
const LZ4_HIGH: u64 = 0x2023;
/// The levels of the thorough encoder. Level 2 is that of version 1.10.0.
const LEVELS: std::ops::RangeInclusive<u8> = 2..=12;
/// The order in which levels are tried: the default of mkfs.erofs, then what people ask for.
const LIKELY_LEVELS: [u8; 11] = [9, 12, 11, 10, 8, 7, 6, 5, 4, 3, 2];
/// The largest size of a block.
const MAX_CAPACITY: u32 = 1 << 20;
/// The logarithm of the largest unit of blocks.
const MAX_UNIT_LOG: u32 = 16;
/// The logarithms of the most plain bytes that an encoder is given for a block. Usually these are 16 times the size of a full
/// block, or more.
const WINDOW_LOGS: std::ops::RangeInclusive<u8> = 20..=24;
const WINDOW_EACH: u32 = 16;

/// An encoder that fills up blocks. Of the plain bytes from a block's beginning on, it makes the very block that the
/// original makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FillEncoder {
    method: Method,
    /// The size in bytes of a full block.
    capacity: u32,
    /// Zeros stand before a block that is no multiple of this many bytes.
    unit_log: u8,
    window_log: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Method {
    /// `LZ4_compress_destSize`.
    Fast,
    /// `LZ4_compress_HC_destSize` with this level.
    High(u8),
}

impl FillEncoder {
    /// Encoders of blocks in this format whose sizes are multiples of a unit, and of which a full one has `capacity` bytes.
    /// The likelier ones come first. There is none for sizes that no such block has.
    pub fn candidates(codec: BlockCodec, capacity: u64, unit: u64) -> impl Iterator<Item = Self> {
        let sizes = u32::try_from(capacity).ok().zip(u32::try_from(unit).ok());
        let sizes = sizes.filter(|&(capacity, unit)| is_possible(capacity, unit) && codec == BlockCodec::Lz4);
        let high = LIKELY_LEVELS.map(Method::High);
        let methods = [high[0], Method::Fast].into_iter().chain(high.into_iter().skip(1));
        sizes.into_iter().flat_map(move |(capacity, unit)| {
            let (unit_log, window_log) = (unit.trailing_zeros() as u8, window_log(capacity));
            methods.clone().map(move |method| Self { method, capacity, unit_log, window_log })
        })
    }

    /// Appends what stands for it in files: its number, then its parameters.
    pub fn put(self, out: &mut Vec<u8>) {
        match self.method {
            Method::Fast => put_number(out, LZ4_FAST),
            Method::High(level) => {
                put_number(out, LZ4_HIGH);
                put_number(out, level.into());
            }
        }
        put_number(out, self.capacity.into());
        put_number(out, self.unit_log.into());
        put_number(out, self.window_log.into());
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`FillEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        let method = match take_number(bytes)? {
            LZ4_FAST => Method::Fast,
            LZ4_HIGH => {
                let level = u8::try_from(take_number(bytes)?).ok()?;
                Method::High(Some(level).filter(|level| LEVELS.contains(level))?)
            }
            _ => return None,
        };
        let capacity = u32::try_from(take_number(bytes)?).ok()?;
        let unit_log = u8::try_from(take_number(bytes)?).ok().filter(|&log| u32::from(log) <= MAX_UNIT_LOG)?;
        let window_log = u8::try_from(take_number(bytes)?).ok().filter(|log| WINDOW_LOGS.contains(log))?;
        is_possible(capacity, 1 << unit_log).then_some(Self { method, capacity, unit_log, window_log })
    }

    /// The same encoder with full blocks of another size, if blocks may have that one.
    #[must_use]
    pub fn of_capacity(self, capacity: usize) -> Option<Self> {
        let capacity = u32::try_from(capacity).ok()?;
        let is_other = capacity != self.capacity && is_possible(capacity, 1 << self.unit_log);
        is_other.then_some(Self { capacity, ..self })
    }

    /// The same encoder with the largest window, if it has a smaller one.
    #[must_use]
    pub fn of_largest_window(self) -> Option<Self> {
        let window_log = *WINDOW_LOGS.end();
        (self.window_log < window_log).then_some(Self { window_log, ..self })
    }

    /// Whether another one makes blocks in the same way, but for their sizes and its window.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        self.method == other.method
    }

    /// The format of its blocks.
    #[must_use]
    pub fn codec(self) -> BlockCodec {
        BlockCodec::Lz4
    }

    /// The most plain bytes that it looks at for one block, and so the most that a block holds.
    #[must_use]
    pub fn window_bytes(self) -> usize {
        1 << self.window_log
    }

    /// About how many bytes of memory it takes to make blocks of this many plain bytes.
    #[must_use]
    pub fn memory_bytes(self, plain_bytes: u64) -> u64 {
        (1 << 20) + 2 * plain_bytes + self.window_bytes() as u64
    }

    /// Makes a block of the first of these plain bytes, which are all that there are. Returns how many went in, which are at
    /// least one, and the block.
    ///
    /// # Errors
    /// [`BlockError::NotMade`].
    pub fn block(self, plain: &[u8]) -> Result<(usize, Vec<u8>), BlockError> {
        let plain = &plain[..plain.len().min(self.window_bytes())];
        let mut made = vec![0; self.capacity as usize];
        let filled = match self.method {
            Method::Fast => lz4::compress_fill(plain, &mut made),
            Method::High(level) => lz4_hc::compress_fill(plain, &mut made, level.into()),
        };
        let (taken, len) = filled.map_err(|_| BlockError::NotMade("liblz4"))?;
        if taken == 0 || len == 0 {
            return Err(BlockError::NotMade("liblz4"));
        }
        let padded = len.next_multiple_of(1 << self.unit_log);
        let mut block = vec![0; padded - len];
        block.extend_from_slice(&made[..len]);
        Ok((taken, block))
    }

    /// Whether it makes this block of the first of these plain bytes, of which the block holds `holds`.
    #[must_use]
    pub fn makes(self, stored: &[u8], plain: &[u8], holds: usize) -> bool {
        self.block(plain).is_ok_and(|(taken, block)| taken == holds && block == stored)
    }
}

/// Whether blocks may have these sizes.
fn is_possible(capacity: u32, unit: u32) -> bool {
    unit.is_power_of_two()
        && unit.trailing_zeros() <= MAX_UNIT_LOG
        && (unit..=MAX_CAPACITY).contains(&capacity)
        && capacity.is_multiple_of(unit)
        && capacity >= MIN_CAPACITY
}

/// The logarithm of the usual window for blocks of this size.
fn window_log(capacity: u32) -> u8 {
    let log = capacity.saturating_mul(WINDOW_EACH).next_power_of_two().trailing_zeros() as u8;
    log.clamp(*WINDOW_LOGS.start(), *WINDOW_LOGS.end())
}

/// The smallest size of a block. No file system has smaller ones.
const MIN_CAPACITY: u32 = 512;

impl fmt::Display for FillEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("liblz4, ")?;
        if let Method::High(level) = self.method {
            write!(f, "high compression, level {level}, ")?;
        }
        match self.capacity {
            capacity if capacity.is_multiple_of(1024) => write!(f, "filled up to {} KiB", capacity / 1024),
            capacity => write!(f, "filled up to {capacity} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn plain() -> Vec<u8> {
        let numbers = (0..60_000u32).map(|number| format!("{} ", number.wrapping_mul(2_654_435_761) >> 20));
        numbers.collect::<String>().into_bytes()
    }

    const WRITTEN: &[(&[u8], &str)] = &[
        (&[0xa2, 0x40, 0x80, 0x20, 12, 20], "liblz4, filled up to 4 KiB"),
        (&[0xa3, 0x40, 9, 0x80, 0x20, 12, 20], "liblz4, high compression, level 9, filled up to 4 KiB"),
        (&[0xa3, 0x40, 12, 0x80, 0x80, 4, 12, 20], "liblz4, high compression, level 12, filled up to 64 KiB"),
        (&[0xa3, 0x40, 2, 0x80, 0x04, 9, 20], "liblz4, high compression, level 2, filled up to 512 bytes"),
    ];

    #[test]
    fn encoders_fill_blocks() {
        let plain = plain();
        for (written, name) in WRITTEN {
            let known = FillEncoder::take(&mut &**written).unwrap();
            assert_eq!(known.to_string(), *name);
            let mut again = Vec::new();
            known.put(&mut again);
            assert_eq!(again, *written);
            let mut at = 0;
            while at < plain.len() {
                let (taken, block) = known.block(&plain[at..]).unwrap();
                assert!(block.len() <= known.capacity as usize && block.len().is_multiple_of(1 << known.unit_log));
                assert!(decode(BlockCodec::Lz4, &block, taken).unwrap() == plain[at..at + taken]);
                assert!(known.makes(&block, &plain[at..], taken) && !known.makes(&block, &plain[at..], taken + 1));
                at += taken;
            }
            let unit = 1 << known.unit_log;
            assert!(FillEncoder::candidates(BlockCodec::Lz4, known.capacity.into(), unit).any(|found| found == known));
        }
        // A block of zeros holds more than the usual window.
        let known = FillEncoder::take(&mut &*WRITTEN[2].0).unwrap();
        let large = known.of_largest_window().unwrap();
        let zeros = vec![0; 3 << 20];
        assert_eq!((known.block(&zeros).unwrap().0, large.block(&zeros).unwrap().0), (1 << 20, 3 << 20));
        assert_eq!(large.of_largest_window(), None);
        assert!(FillEncoder::candidates(BlockCodec::Zstd, 4096, 4096).next().is_none());
        let known = FillEncoder::take(&mut &*WRITTEN[0].0).unwrap();
        assert!(known.block(&[]).is_err());
    }

    #[test]
    fn nonsense_stands_for_no_encoder() {
        for bytes in [
            [].as_slice(),
            &[0xa2, 0x40],
            &[0xa2, 0x40, 0x80, 0x20],
            &[0xa2, 0x40, 0x80, 0x20, 12],
            &[0xa2, 0x40, 0x80, 0x20, 12, 19],
            &[0xa2, 0x40, 0x80, 0x20, 12, 25],
            &[0xa2, 0x40, 0x80, 0x20, 13, 20],
            &[0xa2, 0x40, 0x81, 0x20, 12, 20],
            &[0xa2, 0x40, 0, 0, 20],
            &[0xa2, 0x40, 0x80, 0x80, 0x80, 1, 12, 20],
            &[0xa2, 0x40, 0x80, 0x20, 0x80, 0x80, 0x80, 0x80, 0x10, 20],
            &[0xa3, 0x40, 1, 0x80, 0x20, 12, 20],
            &[0xa3, 0x40, 13, 0x80, 0x20, 12, 20],
            &[0xa1, 0x40, 9],
        ] {
            assert_eq!(FillEncoder::take(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
