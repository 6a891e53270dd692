//! Block encoders by one name, and how they are written down. docs/format/disk.md lists them.

use std::fmt;

use regrow_zstd::KnownEncoder;

use super::{BlockError, Lz4Blocks, LzoBlocks, XzBlocks, ZlibBlocks, zstd};
use crate::BlockCodec;
use regrow_zstd::{put_number, take_number};

/// The numbers that stand for encoders in files. Those below 0x2000 write whole streams.
const ZLIB: u64 = 0x2000;
const DEFLATE: u64 = 0x2001;
const ZSTD: u64 = 0x2010;
const LZ4_FAST: u64 = 0x2020;
const LZ4_HIGH: u64 = 0x2021;
const XZ: u64 = 0x2030;
/// It writes streams.
pub(super) const LZMA2: u64 = 0x2031;
const LZO_LAZY: u64 = 0x2040;
const LZO_FAST: u64 = 0x2041;

/// An encoder of blocks that is known exactly: of the plain bytes of a block, it makes the very block that the original
/// makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockEncoder {
    /// zlib streams.
    Zlib(ZlibBlocks),
    /// Deflate streams with nothing around them, by zlib.
    Deflate(ZlibBlocks),
    /// zstd frames.
    Zstd(KnownEncoder),
    /// LZ4 blocks.
    Lz4(Lz4Blocks),
    /// .xz files.
    Xz(XzBlocks),
    /// LZO1X blocks.
    Lzo(LzoBlocks),
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
            Self::Zstd(known) => {
                put_number(out, ZSTD);
                known.put(out);
            }
            Self::Lz4(lz4) => {
                put_number(out, if matches!(lz4, Lz4Blocks::Fast(_)) { LZ4_FAST } else { LZ4_HIGH });
                lz4.put(out);
            }
            Self::Xz(xz) => {
                put_number(out, XZ);
                xz.put(out);
            }
            Self::Lzo(lzo) => {
                put_number(out, if matches!(lzo, LzoBlocks::Fast(_)) { LZO_FAST } else { LZO_LAZY });
                lzo.put(out);
            }
        }
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`BlockEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        match take_number(bytes)? {
            ZLIB => ZlibBlocks::take(bytes, true).map(Self::Zlib),
            DEFLATE => ZlibBlocks::take(bytes, false).map(Self::Deflate),
            ZSTD => KnownEncoder::take(bytes).map(Self::Zstd),
            LZ4_FAST => Lz4Blocks::take_fast(bytes).map(Self::Lz4),
            LZ4_HIGH => Lz4Blocks::take_high(bytes).map(Self::Lz4),
            XZ => XzBlocks::take(bytes).map(Self::Xz),
            LZO_LAZY => LzoBlocks::take_lazy(bytes).map(Self::Lzo),
            LZO_FAST => LzoBlocks::take_fast(bytes).map(Self::Lzo),
            _ => None,
        }
    }

    /// The format of its blocks.
    #[must_use]
    pub fn codec(self) -> BlockCodec {
        match self {
            Self::Zlib(_) => BlockCodec::Zlib,
            Self::Deflate(_) => BlockCodec::Deflate,
            Self::Zstd(_) => BlockCodec::Zstd,
            Self::Lz4(_) => BlockCodec::Lz4,
            Self::Xz(_) => BlockCodec::Xz,
            Self::Lzo(_) => BlockCodec::Lzo,
        }
    }

    /// The reason why this program cannot run the encoder for a block of this many plain bytes, if there is one.
    #[must_use]
    pub fn unavailable(self, plain_bytes: u64) -> Option<String> {
        match self {
            Self::Zstd(known) => known.unavailable(plain_bytes),
            Self::Zlib(_) | Self::Deflate(_) | Self::Lz4(_) | Self::Xz(_) | Self::Lzo(_) => None,
        }
    }

    /// About how many bytes of memory the encoder takes for a block of this many plain bytes.
    #[must_use]
    pub fn memory_bytes(self, plain_bytes: u64) -> u64 {
        match self {
            Self::Zlib(_) | Self::Deflate(_) | Self::Lz4(_) | Self::Lzo(_) => (1 << 20) + 2 * plain_bytes,
            Self::Zstd(known) => known.memory_bytes(plain_bytes) + 2 * plain_bytes,
            Self::Xz(xz) => xz.memory_bytes() + 2 * plain_bytes,
        }
    }

    /// Makes the block that holds these plain bytes.
    ///
    /// # Errors
    /// [`BlockError::NotMade`].
    pub fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        match self {
            Self::Zlib(zlib) | Self::Deflate(zlib) => Ok(zlib.encode(plain)),
            Self::Zstd(known) => zstd::encode(known, plain),
            Self::Lz4(lz4) => lz4.encode(plain),
            Self::Xz(xz) => xz.encode(plain),
            Self::Lzo(lzo) => lzo.encode(plain),
        }
    }
}

impl BlockEncoder {
    /// The corrections by which a block follows from what this encoder makes of its plain bytes. `None` stands for none of at
    /// most `most` bytes. Only blocks of zstd are corrected, which its library makes in other ways in each version.
    #[must_use]
    pub fn corrections(self, stored: &[u8], plain: &[u8], most: usize) -> Option<Vec<u8>> {
        match self {
            Self::Zstd(known) => regrow_zstd::corrections(known, plain, stored, most),
            Self::Zlib(_) | Self::Deflate(_) | Self::Lz4(_) | Self::Xz(_) | Self::Lzo(_) => None,
        }
    }

    /// Makes the block that follows from what this encoder makes of these plain bytes, and from corrections of that.
    ///
    /// # Errors
    /// [`BlockError::Corrections`].
    pub fn encode_corrected(self, plain: &[u8], corrections: &[u8]) -> Result<Vec<u8>, BlockError> {
        match self {
            Self::Zstd(known) => zstd::encode_corrected(known, plain, corrections),
            Self::Zlib(_) | Self::Deflate(_) | Self::Lz4(_) | Self::Xz(_) | Self::Lzo(_) => {
                Err(BlockError::Corrections)
            }
        }
    }
}

impl fmt::Display for BlockEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zlib(zlib) | Self::Deflate(zlib) => zlib.fmt(f),
            Self::Zstd(known) => known.fmt(f),
            Self::Lz4(lz4) => lz4.fmt(f),
            Self::Xz(xz) => xz.fmt(f),
            Self::Lzo(lzo) => lzo.fmt(f),
        }
    }
}
