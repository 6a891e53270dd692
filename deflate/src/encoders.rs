//! Encoders that are known exactly: given the plain bytes, each makes the very stream that the original makes.
//!
//! [`recognise()`] says which of them wrote a stream, by its beginning; [`Encoder`] makes the stream. Memory is bounded
//! by the encoder's own tables and window, whatever the length of the stream.

mod go;
mod huffman;
pub(crate) mod klauspost;
mod package_merge;
mod recognise;
mod zlib;

#[cfg(test)]
mod tests;

pub use go::GoGeneration;
pub(crate) use huffman::merged_code_lengths;
pub use recognise::recognise;
pub(crate) use zlib::{EFFORTS as ZLIB_EFFORTS, code_lengths as zlib_code_lengths};
pub use zlib::{ZLIB_WINDOW_LOGS, ZlibFamily, zlib_stream};

use std::fmt;

use crate::encoders::klauspost::{
    Klauspost, KlauspostEncoder, MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, PGZIP_TAIL_BYTES, pgzip_block,
};
use crate::format::tables::WINDOW_BYTES;
use crate::number::{put_number, take_number};

/// An encoder that is known exactly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KnownEncoder {
    /// `compress/flate` of Go's standard library, and so its `compress/gzip` and `compress/zlib`.
    Go {
        /// Which of its implementations.
        generation: GoGeneration,
        /// 0 to 9, or -2 for `HuffmanOnly`; Go's default, -1, is 6.
        level: i8,
    },
    /// klauspost's `compress/gzip` and `pgzip`.
    Klauspost(Klauspost),
    /// zlib, GNU gzip and pigz.
    Zlib(ZlibFamily),
}

/// The first numbers of zlib's family, of Go's encoders, of klauspost's and of pgzip.
const ZLIB_NUMBERS: u16 = 0x40;
const GO_NUMBERS: u16 = 0x100;
const KLAUSPOST_NUMBERS: u16 = 0x200;
const PGZIP_NUMBERS: u16 = 0x300;

/// Blocks of an encoder that need nothing but the plain bytes before them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocks {
    /// Plain bytes of each but the last.
    pub block_bytes: usize,
    /// The most plain bytes before it that a block depends on.
    pub dictionary_bytes: usize,
    /// The last block is never full: behind a full one at the end of the plain bytes comes an empty one.
    pub ends_with_partial: bool,
}

impl KnownEncoder {
    /// The number that stands for it in files, with [`KnownEncoder::put`]'s parameters: never changes, never means
    /// another.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Zlib(kind) => ZLIB_NUMBERS + kind.number(),
            Self::Go { generation, level } => GO_NUMBERS + go::number(generation, level),
            Self::Klauspost(kind @ Klauspost::Gzip { .. }) => KLAUSPOST_NUMBERS + kind.number(),
            Self::Klauspost(kind @ Klauspost::Pgzip { .. }) => PGZIP_NUMBERS + kind.number(),
        }
    }

    /// Appends what stands for it in files: its number, and its parameters if it has any; seven bits a byte, the lowest
    /// first.
    pub fn put(self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.number()));
        if let Self::Klauspost(Klauspost::Pgzip { block_bytes, .. }) = self {
            put_number(out, u64::from(block_bytes));
        }
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`KnownEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        let number = u16::try_from(take_number(bytes)?).ok()?;
        if number < PGZIP_NUMBERS {
            return Self::of_number(number);
        }
        let block_bytes = u32::try_from(take_number(bytes)?).ok()?;
        let fits = (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&block_bytes);
        let kind = Klauspost::pgzip_of_number(number - PGZIP_NUMBERS, block_bytes).filter(|_| fits)?;
        Some(Self::Klauspost(kind))
    }

    /// The encoder without parameters that a number stands for, if there is one.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        Self::all().find(|known| known.number() == number)
    }

    /// All of them that have no parameters.
    pub fn all() -> impl Iterator<Item = Self> {
        let klauspost = Klauspost::all_gzip().map(Self::Klauspost);
        Self::all_of_zlib().chain(Self::all_of_go()).chain(klauspost)
    }

    /// The encoders of zlib's family, the likeliest first.
    fn all_of_zlib() -> impl Iterator<Item = Self> {
        ZlibFamily::all().map(Self::Zlib)
    }

    /// Go's, the likeliest first.
    fn all_of_go() -> impl Iterator<Item = Self> {
        go::all().map(|(generation, level)| Self::Go { generation, level })
    }

    /// Whether it takes little time for its plain bytes: its level is a low one, or all cores can take part.
    #[must_use]
    pub fn is_fast(self) -> bool {
        matches!(self, Self::Klauspost(Klauspost::Gzip { level: -2..=6, .. })) || self.blocks().is_some()
    }

    /// Its blocks, if they can be encoded side by side: [`encode_block`].
    #[must_use]
    pub fn blocks(self) -> Option<Blocks> {
        match self {
            Self::Klauspost(Klauspost::Pgzip { block_bytes, .. }) => Some(Blocks {
                block_bytes: block_bytes as usize,
                dictionary_bytes: PGZIP_TAIL_BYTES,
                ends_with_partial: true,
            }),
            Self::Zlib(ZlibFamily::Pigz { .. }) => Some(Blocks {
                block_bytes: zlib::PIGZ_BLOCK_BYTES,
                dictionary_bytes: WINDOW_BYTES,
                ends_with_partial: false,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for KnownEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Go { generation, level } => write!(f, "Go compress/gzip {generation}, level {level}"),
            Self::Klauspost(kind) => kind.fmt(f),
            Self::Zlib(kind) => kind.fmt(f),
        }
    }
}

/// Makes the raw deflate stream (RFC 1951) of plain bytes that arrive in pieces. How they are cut makes no difference.
pub struct Encoder {
    of_kind: OfKind,
}

enum OfKind {
    Go(go::GoEncoder),
    Klauspost(Box<KlauspostEncoder>),
    Zlib(Box<zlib::ZlibEncoder>),
}

impl Encoder {
    /// An encoder at the start of a stream. A level that `known` does not have is taken for its default.
    #[must_use]
    pub fn new(known: KnownEncoder) -> Self {
        let of_kind = match known {
            KnownEncoder::Go { generation, level } => OfKind::Go(go::GoEncoder::new(generation, level)),
            KnownEncoder::Klauspost(kind) => OfKind::Klauspost(Box::new(KlauspostEncoder::new(kind))),
            KnownEncoder::Zlib(kind) => OfKind::Zlib(Box::new(zlib::ZlibEncoder::new(kind))),
        };
        Self { of_kind }
    }

    /// Takes the next plain bytes, and appends to `out` what of the stream is settled.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match &mut self.of_kind {
            OfKind::Go(encoder) => encoder.write(plain, out),
            OfKind::Klauspost(encoder) => encoder.write(plain, out),
            OfKind::Zlib(encoder) => encoder.write(plain, out),
        }
    }

    /// Appends the rest of the stream.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.of_kind {
            OfKind::Go(encoder) => encoder.finish(out),
            OfKind::Klauspost(encoder) => encoder.finish(out),
            OfKind::Zlib(encoder) => encoder.finish(out),
        }
    }
}

/// Appends one block of an encoder that has [`Blocks`]: `dictionary` are the plain bytes before it. Of another encoder
/// it is all of a stream.
pub fn encode_block(known: KnownEncoder, dictionary: &[u8], block: &[u8], is_last: bool, out: &mut Vec<u8>) {
    match known {
        KnownEncoder::Klauspost(Klauspost::Pgzip { level, version, .. }) => {
            pgzip_block(version, level, dictionary, block, is_last, out);
        }
        KnownEncoder::Zlib(kind @ ZlibFamily::Pigz { .. }) => zlib::encode_block(kind, dictionary, block, is_last, out),
        _ => {
            let mut encoder = Encoder::new(known);
            encoder.write(block, out);
            encoder.finish(out);
        }
    }
}
