//! LZO1X streams as liblzo2 makes them. The encoders are written from a description of the format and of what the library's
//! compressors decide, not from the library's source, which is under the GPL.

mod decode;
mod fast;
mod lazy;
mod optimize;
mod search;
mod stream;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;

use regrow_zstd::{put_number, take_number};

use super::BlockError;

pub(super) use decode::decode;

const LEVELS: std::ops::RangeInclusive<u8> = 1..=9;
/// The order in which levels are tried: the default of mksquashfs, then what people ask for.
const LIKELY_LEVELS: [u8; 9] = [8, 9, 1, 7, 6, 5, 4, 3, 2];
/// The logarithms of the tables of `lzo1x_1`, `lzo1x_1_15`, `lzo1x_1_12` and `lzo1x_1_11`.
const TABLE_LOGS: [u8; 4] = [14, 13, 12, 11];
/// The most plain bytes of a block.
const MAX_PLAIN_BYTES: usize = 1 << 30;

/// The compressors of liblzo2, from version 2.06 on, with the parameters that decide their output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LzoBlocks {
    /// `lzo1x_999_compress_level`.
    Lazy {
        /// The level.
        level: u8,
        /// Whether `lzo1x_optimize` goes over the block.
        is_optimized: bool,
    },
    /// `lzo1x_1_compress` and its like, which differ in the size of their table, of which this is the logarithm.
    /// `lzo1x_optimize` finds nothing in their blocks.
    Fast(u8),
}

/// What encoders need, which a thread keeps from block to block.
#[derive(Default)]
struct Work {
    tables: search::Tables,
    table: fast::Table,
}

thread_local! {
    static WORK: Cell<Option<Box<Work>>> = const { Cell::new(None) };
}

impl LzoBlocks {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Lazy { level, is_optimized } => {
                put_number(out, level.into());
                put_number(out, is_optimized.into());
            }
            Self::Fast(table_log) => put_number(out, table_log.into()),
        }
    }

    pub(super) fn take_lazy(bytes: &mut &[u8]) -> Option<Self> {
        let level = u8::try_from(take_number(bytes)?).ok().filter(|level| LEVELS.contains(level))?;
        let is_optimized = match take_number(bytes)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self::Lazy { level, is_optimized })
    }

    pub(super) fn take_fast(bytes: &mut &[u8]) -> Option<Self> {
        let table_log = u8::try_from(take_number(bytes)?).ok()?;
        TABLE_LOGS.contains(&table_log).then_some(Self::Fast(table_log))
    }

    /// The parameters that may have made a block, the likelier ones first. Only squashfs-tools-ng does not optimize.
    pub(super) fn candidates() -> impl Iterator<Item = Self> {
        let lazy = |level| [true, false].map(|is_optimized| Self::Lazy { level, is_optimized });
        LIKELY_LEVELS.into_iter().flat_map(lazy).chain(TABLE_LOGS.map(Self::Fast))
    }

    pub(super) fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(BlockError::NotMade("the encoder of LZO"));
        }
        let mut work = WORK.take().unwrap_or_default();
        let mut made = match self {
            Self::Lazy { level, .. } => lazy::encode(plain, level.into(), &mut work.tables),
            Self::Fast(table_log) => fast::encode(plain, table_log.into(), &mut work.table),
        };
        WORK.set(Some(work));
        if matches!(self, Self::Lazy { is_optimized: true, .. }) {
            optimize::optimize(&mut made, plain);
        }
        made.shrink_to_fit();
        Ok(made)
    }
}

impl fmt::Display for LzoBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lazy { level, is_optimized: true } => write!(f, "liblzo2, lzo1x_999, level {level}"),
            Self::Lazy { level, .. } => write!(f, "liblzo2, lzo1x_999, level {level}, not optimized"),
            Self::Fast(14) => f.write_str("liblzo2, lzo1x_1"),
            Self::Fast(13) => f.write_str("liblzo2, lzo1x_1_15"),
            Self::Fast(table_log) => write!(f, "liblzo2, lzo1x_1_{table_log}"),
        }
    }
}
