//! Encoders that are known exactly.

use std::fmt;

use crate::chunked::{Chunked, ChunkedEncoder};
use crate::klauspost::{FrameEncoder, Klauspost};
use crate::libzstd::{Libzstd, LibzstdEncoder};
use crate::number::{put_number, take_number};

/// An encoder that is known exactly. docs/format/zstd.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownEncoder {
    /// klauspost/compress/zstd.
    Klauspost(Klauspost),
    /// A whole zstd:chunked file of containers/storage.
    Chunked(Chunked),
    /// libzstd itself.
    Libzstd(Libzstd),
}

/// The numbers that stand for encoders in files. Those below 0x1000 write deflate.
const KLAUSPOST_NUMBER: u64 = 0x1000;
const CHUNKED_NUMBER: u64 = 0x1400;
const LIBZSTD_NUMBER: u64 = 0x1800;
/// The memory of an encoder besides its window.
const BASE_BYTES: u64 = 16 << 20;

impl KnownEncoder {
    /// Appends what stands for it in files: its number, then its parameters; seven bits a byte, the lowest first. At
    /// most 32 bytes.
    pub fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Klauspost(kind) => {
                put_number(out, KLAUSPOST_NUMBER);
                kind.put(out);
            }
            Self::Chunked(chunked) => {
                put_number(out, CHUNKED_NUMBER);
                chunked.put(out);
            }
            Self::Libzstd(libzstd) => {
                put_number(out, LIBZSTD_NUMBER);
                libzstd.put(out);
            }
        }
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`KnownEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        match take_number(bytes)? {
            KLAUSPOST_NUMBER => Klauspost::take(bytes).map(Self::Klauspost),
            CHUNKED_NUMBER => Chunked::take(bytes).map(Self::Chunked),
            LIBZSTD_NUMBER => Libzstd::take(bytes).map(Self::Libzstd),
            _ => None,
        }
    }

    /// About how many bytes of memory the encoder takes for a frame of this many plain bytes.
    #[must_use]
    pub fn memory_bytes(self, plain_bytes: u64) -> u64 {
        match self {
            Self::Klauspost(kind) => BASE_BYTES + kind.memory_bytes(plain_bytes),
            Self::Chunked(chunked) => BASE_BYTES + chunked.memory_bytes(),
            Self::Libzstd(libzstd) => BASE_BYTES + libzstd.memory_bytes(plain_bytes),
        }
    }

    /// The reason why this program cannot run the encoder for a frame of this many plain bytes, if there is one.
    #[must_use]
    pub fn unavailable(self, plain_bytes: u64) -> Option<String> {
        match self {
            Self::Klauspost(_) | Self::Chunked(_) => None,
            Self::Libzstd(libzstd) => libzstd.unavailable(plain_bytes),
        }
    }
}

impl fmt::Display for KnownEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Klauspost(kind) => kind.fmt(f),
            Self::Chunked(chunked) => chunked.fmt(f),
            Self::Libzstd(libzstd) => libzstd.fmt(f),
        }
    }
}

/// Makes one frame, or a file of zstd:chunked, of plain bytes that arrive in pieces. How they are cut makes no difference.
#[derive(Debug)]
pub struct Reencoder {
    frame: Frame,
}

#[derive(Debug)]
enum Frame {
    Klauspost(Box<FrameEncoder>),
    Chunked(Box<ChunkedEncoder>),
    Libzstd(Box<LibzstdEncoder>),
}

impl Reencoder {
    /// An encoder at the start of a frame of this many plain bytes; `u64::MAX` if they are not known yet, which makes no
    /// difference where a frame's header does not tell them. One that is [unavailable](KnownEncoder::unavailable) makes
    /// other bytes than the frame, or none.
    #[must_use]
    pub fn new(known: KnownEncoder, plain_bytes: u64) -> Self {
        let frame = match known {
            KnownEncoder::Klauspost(kind) => Frame::Klauspost(Box::new(FrameEncoder::new(kind, plain_bytes))),
            KnownEncoder::Chunked(chunked) => Frame::Chunked(Box::new(ChunkedEncoder::new(chunked))),
            KnownEncoder::Libzstd(libzstd) => Frame::Libzstd(Box::new(LibzstdEncoder::new(libzstd, plain_bytes))),
        };
        Self { frame }
    }

    /// Takes the next plain bytes, and appends to `out` what of the frame is settled.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match &mut self.frame {
            Frame::Klauspost(frame) => frame.write(plain, out),
            Frame::Chunked(file) => file.write(plain, out),
            Frame::Libzstd(frame) => frame.write(plain, out),
        }
    }

    /// Appends the rest of the frame. Another one begins with [`Reencoder::restart`].
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.frame {
            Frame::Klauspost(frame) => frame.finish(out),
            Frame::Chunked(file) => file.finish(out),
            Frame::Libzstd(frame) => frame.finish(out),
        }
    }

    /// Begins another frame of the same encoder, which costs less than a new one, whatever became of the one before.
    pub fn restart(&mut self, plain_bytes: u64) {
        match &mut self.frame {
            Frame::Klauspost(frame) => frame.restart(plain_bytes),
            Frame::Chunked(file) => file.restart(),
            Frame::Libzstd(frame) => frame.restart(plain_bytes),
        }
    }
}
