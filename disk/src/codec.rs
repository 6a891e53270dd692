//! Compressed blocks of disk images: decoding them, and the encoders that make them again.
//!
//! Most blocks stand alone, so that their encoder needs nothing but their plain bytes. An encoder that fills up blocks also
//! needs those behind ([`FillEncoder`]). [`decode`] gives the plain bytes of a block,
//! [`recognise`] tells by a few blocks which encoders may have made them all, and [`BlockEncoder::encode`] makes a block.
//!
//! ```
//! use regrow_disk::BlockCodec;
//! use regrow_disk::codec::{BlockEncoder, decode, recognise};
//!
//! let plain = b"a block of a file system ".repeat(300);
//! # let known = BlockEncoder::take(&mut [0x80, 0x40, 9, 15, 8].as_slice()).unwrap();
//! # let stored = known.encode(&plain).unwrap();
//! assert_eq!(decode(BlockCodec::Zlib, &stored, 8192).unwrap(), plain);
//! let known = recognise(BlockCodec::Zlib, &[(&stored, &plain)]).next().unwrap();
//! assert_eq!(known.to_string(), "zlib, level 9");
//! assert_eq!(known.encode(&plain).unwrap(), stored);
//! ```

mod encoder;
mod error;
mod fill;
mod lz4;
pub(crate) mod lzma2;
mod lzo;
mod recognise;
mod stream;
#[cfg(test)]
mod tests;
mod xz;
mod zlib;
mod zstd;

pub use encoder::BlockEncoder;
pub use error::BlockError;
pub use fill::FillEncoder;
pub use lz4::Lz4Blocks;
pub use lzma2::{Lzma2Encoder, XzStreams};
pub use lzo::LzoBlocks;
pub use recognise::{nearest, recognise};
pub use stream::{StreamReader, StreamStep};
pub use xz::XzBlocks;
pub use zlib::ZlibBlocks;

use crate::BlockCodec;

/// The plain bytes of a compressed block, of which there must be at most `most`. Memory follows the plain bytes that there
/// are, not what is allowed.
///
/// # Errors
/// [`BlockError`]: the block is damaged, holds more, or has something behind it.
pub fn decode(codec: BlockCodec, stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    match codec {
        BlockCodec::Zlib => zlib::decode(stored, most),
        BlockCodec::Deflate => Ok(regrow_deflate::inflate(stored, most)?),
        BlockCodec::Zstd => zstd::decode(stored, most),
        BlockCodec::Xz => xz::decode(stored, most),
        BlockCodec::Lz4 => lz4::decode(stored, most),
        BlockCodec::Lzo => lzo::decode(stored, most),
    }
}

/// The bytes of the block that begins here, which must hold `plain_bytes`. A file system may tell only about where a block
/// ends. Deflate streams are decoded for that, and zstd frames state it.
///
/// # Errors
/// [`BlockError`]: the block is damaged, or holds another number of bytes; or blocks in this format do not tell their end.
pub fn measure(codec: BlockCodec, bytes: &[u8], plain_bytes: usize) -> Result<usize, BlockError> {
    match codec {
        BlockCodec::Deflate => match regrow_deflate::measure(bytes, plain_bytes)? {
            (stored_bytes, found) if found == plain_bytes => Ok(stored_bytes),
            _ => Err(BlockError::Damaged),
        },
        BlockCodec::Zstd => zstd::measure(bytes, plain_bytes),
        codec => Err(BlockError::Endless(codec)),
    }
}
