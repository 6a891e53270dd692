//! Block encoders by one name, and how they are written down. docs/format/disk.md lists them.

use std::fmt;

use super::number::{put_number, take_number};
use super::{BlockError, ZlibBlocks};
use crate::BlockCodec;

/// The numbers that stand for encoders in files. Those below 0x2000 write whole streams.
const ZLIB: u64 = 0x2000;
const DEFLATE: u64 = 0x2001;

/// An encoder of blocks that is known exactly: of the plain bytes of a block, it makes the very block that the original
/// makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockEncoder {
    /// zlib streams.
    Zlib(ZlibBlocks),
    /// Deflate streams with nothing around them, by zlib.
    Deflate(ZlibBlocks),
}

impl BlockEncoder {
    /// Appends what stands for it in files: its number, then its parameters; seven bits a byte, the lowest first. At most
    /// 32 bytes.
    pub fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Zlib(zlib) => {
                put_number(out, ZLIB);
                zlib.put(out);
            }
            Self::Deflate(zlib) => {
                put_number(out, DEFLATE);
                zlib.put(out);
            }
        }
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`BlockEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        match take_number(bytes)? {
            ZLIB => ZlibBlocks::take(bytes, true).map(Self::Zlib),
            DEFLATE => ZlibBlocks::take(bytes, false).map(Self::Deflate),
            _ => None,
        }
    }

    /// The format of its blocks.
    #[must_use]
    pub fn codec(self) -> BlockCodec {
        match self {
            Self::Zlib(_) => BlockCodec::Zlib,
            Self::Deflate(_) => BlockCodec::Deflate,
        }
    }

    /// The reason why this program cannot run the encoder, if there is one.
    #[must_use]
    pub fn unavailable(self) -> Option<String> {
        match self {
            Self::Zlib(_) | Self::Deflate(_) => None,
        }
    }

    /// About how many bytes of memory the encoder takes for a block of this many plain bytes.
    #[must_use]
    pub fn memory_bytes(self, plain_bytes: u64) -> u64 {
        match self {
            Self::Zlib(_) | Self::Deflate(_) => (1 << 20) + 2 * plain_bytes,
        }
    }

    /// Makes the block that holds these plain bytes.
    ///
    /// # Errors
    /// [`BlockError::NotMade`].
    pub fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        match self {
            Self::Zlib(zlib) | Self::Deflate(zlib) => Ok(zlib.encode(plain)),
        }
    }
}

impl fmt::Display for BlockEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zlib(zlib) | Self::Deflate(zlib) => zlib.fmt(f),
        }
    }
}
