//! Checksums that follow a stream.

use zlib_rs::adler32::adler32;

use crate::inflate::gzip::GzipTrailer;

/// The bytes that follow a deflate stream directly and can be computed from its plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trailer {
    /// Nothing that is known.
    None,
    /// gzip's: CRC-32 of the plain bytes, then their number modulo 2^32, both little endian (RFC 1952).
    Gzip,
    /// zlib's: Adler-32 of the plain bytes, big endian (RFC 1950).
    Zlib,
}

impl Trailer {
    /// Length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a length in the file, not a collection's")]
    pub fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Gzip => 8,
            Self::Zlib => 4,
        }
    }

    /// The trailer's bytes for these plain bytes, [`Trailer::len`] of them.
    #[must_use]
    pub fn of(self, plain: &[u8]) -> Vec<u8> {
        let mut sum = Sum::new(self);
        sum.update(plain);
        sum.finish()
    }
}

/// A trailer in the making.
pub(crate) struct Sum {
    trailer: Trailer,
    gzip: GzipTrailer,
    adler: u32,
    plain_bytes: u64,
}

impl Sum {
    pub(crate) fn new(trailer: Trailer) -> Self {
        Self { trailer, gzip: GzipTrailer::default(), adler: 1, plain_bytes: 0 }
    }

    pub(crate) fn update(&mut self, plain: &[u8]) {
        match self.trailer {
            Trailer::None => {}
            Trailer::Gzip => self.gzip.update(plain),
            Trailer::Zlib => self.adler = adler32(self.adler, plain),
        }
        self.plain_bytes += plain.len() as u64;
    }

    pub(crate) fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self.trailer {
            Trailer::None => Vec::new(),
            Trailer::Gzip => self.gzip.finish().to_vec(),
            Trailer::Zlib => self.adler.to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        assert_eq!(Trailer::None.of(b"123456789"), b"");
        assert_eq!(Trailer::Gzip.of(b"123456789"), [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]);
        assert_eq!(Trailer::Zlib.of(b"Wikipedia"), [0x11, 0xe6, 0x03, 0x98]);
        assert_eq!(Trailer::Zlib.of(b""), [0, 0, 0, 1]);
        for trailer in [Trailer::None, Trailer::Gzip, Trailer::Zlib] {
            assert_eq!(trailer.of(b"plain").len(), trailer.len());
        }
    }
}
