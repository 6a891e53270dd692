//! Encoders that are known exactly.

use std::fmt;

use crate::klauspost::{FrameEncoder, Klauspost};
use crate::number::{put_number, take_number};

/// An encoder that is known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownEncoder {
    /// klauspost/compress/zstd.
    Klauspost(Klauspost),
}

/// The number that stands for klauspost's in files.
const KLAUSPOST_NUMBER: u64 = 0x400;

impl KnownEncoder {
    /// Appends what stands for it in files: its number, then its parameters; seven bits a byte, the lowest first. At
    /// most 32 bytes.
    pub fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Klauspost(kind) => {
                put_number(out, KLAUSPOST_NUMBER);
                kind.put(out);
            }
        }
    }

    /// Takes an encoder off the front of `bytes`; `None` for what [`KnownEncoder::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        match take_number(bytes)? {
            KLAUSPOST_NUMBER => Klauspost::take(bytes).map(Self::Klauspost),
            _ => None,
        }
    }
}

impl fmt::Display for KnownEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Klauspost(kind) => kind.fmt(f),
        }
    }
}

/// Makes one frame of plain bytes that arrive in pieces. How they are cut makes no difference.
#[derive(Debug)]
pub struct Reencoder {
    frame: Box<FrameEncoder>,
}

impl Reencoder {
    /// An encoder at the start of a frame of this many plain bytes.
    #[must_use]
    pub fn new(known: KnownEncoder, plain_bytes: u64) -> Self {
        match known {
            KnownEncoder::Klauspost(kind) => Self { frame: Box::new(FrameEncoder::new(kind, plain_bytes)) },
        }
    }

    /// Takes the next plain bytes, and appends to `out` what of the frame is settled.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.frame.write(plain, out);
    }

    /// Appends the rest of the frame. Another one begins with [`Reencoder::restart`].
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.frame.finish(out);
    }

    /// Begins another frame of the same encoder, which costs less than a new one, whatever became of the one before.
    pub fn restart(&mut self, plain_bytes: u64) {
        self.frame.restart(plain_bytes);
    }
}
