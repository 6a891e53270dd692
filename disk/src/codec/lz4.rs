//! Blocks by liblz4, with nothing around them. Its versions from 1.9.0 to 1.10.0 make the same blocks by the levels that are
//! known here.

use std::fmt;

use lzzzz::{lz4, lz4_hc};

use super::BlockError;
use regrow_zstd::{put_number, take_number};

/// The levels of the thorough encoder. Level 2 is another one since version 1.10.0.
const HIGH_LEVELS: std::ops::RangeInclusive<u8> = 3..=12;
/// The order in which levels are tried: what mksquashfs and mkfs.erofs ask for, then the default.
const LIKELY_LEVELS: [u8; 10] = [12, 9, 11, 10, 8, 7, 6, 5, 4, 3];
/// The most plain bytes of a block for each byte of it: a byte more of a match's length stands for 255 bytes.
const MOST_EXPANSION: usize = 255;
/// How much ratio the fast encoder gives up: 1 is its default.
const ACCELERATIONS: std::ops::RangeInclusive<u8> = 1..=65;

/// The parameters of liblz4 that decide its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lz4Blocks {
    /// `LZ4_compress_fast` with this acceleration. `LZ4_compress_default` has 1.
    Fast(u8),
    /// `LZ4_compress_HC` with this level.
    High(u8),
}

/// The plain bytes of a block. Zeros may stand before it, since no block begins with one.
pub(super) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let start = stored.iter().position(|&byte| byte != 0).ok_or(BlockError::Damaged)?;
    // No block holds more than this.
    let room = most.min((stored.len() - start).saturating_mul(MOST_EXPANSION));
    if i32::try_from(room).is_err() {
        return Err(BlockError::TooLong(most));
    }
    let mut plain = vec![0; room];
    let len = lz4::decompress(&stored[start..], &mut plain).map_err(|_| BlockError::Damaged)?;
    plain.truncate(len);
    Ok(plain)
}

impl Lz4Blocks {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let (Self::Fast(parameter) | Self::High(parameter)) = self;
        put_number(out, parameter.into());
    }

    pub(super) fn take_fast(bytes: &mut &[u8]) -> Option<Self> {
        let acceleration = u8::try_from(take_number(bytes)?).ok()?;
        ACCELERATIONS.contains(&acceleration).then_some(Self::Fast(acceleration))
    }

    pub(super) fn take_high(bytes: &mut &[u8]) -> Option<Self> {
        let level = u8::try_from(take_number(bytes)?).ok()?;
        HIGH_LEVELS.contains(&level).then_some(Self::High(level))
    }

    /// The parameters that may have made a block, the likelier ones first.
    pub(super) fn candidates() -> impl Iterator<Item = Self> {
        [Self::High(LIKELY_LEVELS[0]), Self::Fast(1)]
            .into_iter()
            .chain(LIKELY_LEVELS.into_iter().skip(1).map(Self::High))
    }

    pub(super) fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        let mut made = Vec::new();
        match self {
            Self::Fast(acceleration) => lz4::compress_to_vec(plain, &mut made, acceleration.into()),
            Self::High(level) => lz4_hc::compress_to_vec(plain, &mut made, level.into()),
        }
        .map_err(|_| BlockError::NotMade("liblz4"))?;
        made.shrink_to_fit();
        Ok(made)
    }
}

impl fmt::Display for Lz4Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fast(1) => f.write_str("liblz4, default level"),
            Self::Fast(acceleration) => write!(f, "liblz4, acceleration {acceleration}"),
            Self::High(level) => write!(f, "liblz4, high compression, level {level}"),
        }
    }
}
