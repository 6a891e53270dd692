//! The encoders as others use them.

use std::fmt;
use std::ops::RangeInclusive;

use super::Version;
use super::deflater::Deflater;

/// The end of a pgzip block that the next one knows.
pub(crate) const TAIL_BYTES: usize = 16384;
/// The fewest bytes of a block of pgzip, and the most.
pub(crate) const MIN_BLOCK_BYTES: u32 = TAIL_BYTES as u32 + 1;
pub(crate) const MAX_BLOCK_BYTES: u32 = 64 << 20;
/// Levels, and how many numbers a version has.
const LEVELS: RangeInclusive<i8> = -2..=9;
const NUMBERS: u16 = 16;
const DEFAULT_LEVEL: i8 = 5;

/// A program that wrote a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Klauspost {
    /// `compress/gzip`, level 1 to 9, -1 (which is 5, as is any that there is not), 0 (stored) or -2 (literals only).
    Gzip {
        /// The level that the original is given.
        level: i8,
        /// The version of klauspost/compress.
        version: Version,
    },
    /// `pgzip`, with the same levels.
    Pgzip {
        /// The level that the original is given.
        level: i8,
        /// The version of klauspost/compress.
        version: Version,
        /// The plain bytes of a block, more than 16 KiB.
        block_bytes: u32,
    },
}

impl Klauspost {
    /// A number that no other version and level of the same program has.
    pub(crate) fn number(self) -> u16 {
        let (Self::Gzip { level, version } | Self::Pgzip { level, version, .. }) = self;
        let level = if level == -1 || !LEVELS.contains(&level) { DEFAULT_LEVEL } else { level };
        version.number() * NUMBERS + (level - LEVELS.start()).unsigned_abs() as u16
    }

    pub(crate) fn all_gzip() -> impl Iterator<Item = Self> {
        let levels = |version| LEVELS.filter(|&level| level != -1).map(move |level| Self::Gzip { level, version });
        Version::ALL.into_iter().flat_map(levels)
    }

    /// The pgzip of a number.
    pub(crate) fn pgzip_of_number(number: u16, block_bytes: u32) -> Option<Self> {
        let found = Self::all_gzip().find(|kind| kind.number() == number)?;
        let (Self::Gzip { level, version } | Self::Pgzip { level, version, .. }) = found;
        Some(Self::Pgzip { level, version, block_bytes })
    }
}

impl fmt::Display for Klauspost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip { level, version } => write!(f, "klauspost/compress gzip {version}, level {level}"),
            Self::Pgzip { level, version, block_bytes } => {
                write!(f, "pgzip (klauspost/compress {version}), level {level}, blocks of {block_bytes} bytes")
            }
        }
    }
}

/// Writes the stream that [`Klauspost`] would write, without gzip's header and trailer.
#[derive(Debug)]
pub struct KlauspostEncoder {
    deflater: Deflater,
    blocks: Option<PgzipBlocks>,
}

/// The place within pgzip's blocks.
#[derive(Debug)]
struct PgzipBlocks {
    bytes: usize,
    /// The bytes that are left of the block that is written.
    left: usize,
    /// The end of what was written of it.
    tail: Vec<u8>,
}

impl PgzipBlocks {
    fn keep(&mut self, plain: &[u8]) {
        self.left -= plain.len();
        if self.left >= 2 * TAIL_BYTES {
            return;
        }
        // No more than 16 KiB of the last 32 KiB of a block, and of what was written with them, are of use.
        self.tail.extend_from_slice(&plain[plain.len().saturating_sub(TAIL_BYTES)..]);
    }

    /// The end of the block, which is full. The next one begins.
    fn take_tail(&mut self) -> Vec<u8> {
        self.left = self.bytes;
        let mut tail = std::mem::take(&mut self.tail);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
        tail
    }
}

impl KlauspostEncoder {
    /// An encoder at the start of a stream.
    pub fn new(kind: Klauspost) -> Self {
        match kind {
            Klauspost::Gzip { level, version } => Self { deflater: Deflater::new(level, version), blocks: None },
            Klauspost::Pgzip { level, version, block_bytes } => {
                let bytes = (block_bytes as usize).max(TAIL_BYTES + 1);
                let blocks = PgzipBlocks { bytes, left: bytes, tail: Vec::new() };
                Self { deflater: Deflater::new(level, version), blocks: Some(blocks) }
            }
        }
    }

    /// Takes plain bytes and adds what can be written to `out`.
    pub fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        self.deflater.blocks.out.exchange(out);
        let Some(blocks) = &mut self.blocks else {
            self.deflater.write(plain);
            return self.deflater.blocks.out.exchange(out);
        };
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(blocks.left));
            self.deflater.write(now);
            blocks.keep(now);
            if blocks.left == 0 {
                self.deflater.flush();
                self.deflater.reset(&blocks.take_tail());
            }
            plain = later;
        }
        self.deflater.blocks.out.exchange(out);
    }

    /// Adds the end of the stream to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.deflater.blocks.out.exchange(out);
        if self.blocks.is_some() {
            self.deflater.flush();
        }
        self.deflater.finish();
        self.deflater.blocks.out.exchange(out);
    }
}

/// One block of pgzip alone, so that blocks can be rebuilt side by side. `dictionary` is what comes before it: at most
/// the last 16 KiB matter. A stream always ends with a block that is not full, which may be empty.
pub fn pgzip_block(version: Version, level: i8, dictionary: &[u8], block: &[u8], is_last: bool, out: &mut Vec<u8>) {
    let mut deflater = Deflater::new(level, version);
    deflater.blocks.out.exchange(out);
    deflater.reset(&dictionary[dictionary.len().saturating_sub(TAIL_BYTES)..]);
    deflater.write(block);
    deflater.flush();
    if is_last {
        deflater.finish();
    }
    deflater.blocks.out.exchange(out);
}
