//! SHA-256 as OCI writes it, and bytes that are checked by it.

use std::fmt;
use std::io::{self, Read};

use ring::digest::{Context, SHA256};

use crate::SourceError;

const PREFIX: &str = "sha256:";

/// The SHA-256 of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlobDigest([u8; 32]);

impl BlobDigest {
    /// The digest of these bytes.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_ring(ring::digest::digest(&SHA256, bytes))
    }

    fn from_ring(digest: ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// Reads a digest of the form `sha256:HEX`.
    ///
    /// # Errors
    /// [`SourceError::Algorithm`] for any other text.
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let refused = || SourceError::Algorithm { digest: text.chars().take(160).collect() };
        let digits: &[u8; 64] =
            text.strip_prefix(PREFIX).and_then(|hex| hex.as_bytes().try_into().ok()).ok_or_else(refused)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            // OCI writes them in small letters.
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(refused)?;
        }
        Ok(Self(bytes))
    }

    /// The hexadecimal digits alone.
    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

/// A blob's bytes on their way. The end of a blob that is not what its descriptor says is an error.
pub(super) struct Checked<R> {
    inner: R,
    digest: BlobDigest,
    bytes: u64,
    left: u64,
    sum: Context,
    is_done: bool,
}

impl<R: Read> Checked<R> {
    /// Takes the source of a blob of this digest and size.
    pub(super) fn new(inner: R, digest: BlobDigest, bytes: u64) -> Self {
        Self { inner, digest, bytes, left: bytes, sum: Context::new(&SHA256), is_done: false }
    }

    /// Looks at the blob's end: no more bytes may follow, and all must have the digest.
    fn finish(&mut self) -> io::Result<()> {
        if self.is_done {
            return Ok(());
        }
        if self.inner.read(&mut [0])? != 0 {
            return Err(self.wrong_size());
        }
        let sum = std::mem::replace(&mut self.sum, Context::new(&SHA256)).finish();
        if BlobDigest::from_ring(sum) != self.digest {
            return Err(invalid(SourceError::Digest { blob: self.digest.to_string() }));
        }
        self.is_done = true;
        Ok(())
    }

    fn wrong_size(&self) -> io::Error {
        invalid(SourceError::Size { blob: self.digest.to_string(), wanted: self.bytes })
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            self.finish()?;
            return Ok(0);
        }
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut out[..most])?;
        if read == 0 {
            return Err(self.wrong_size());
        }
        self.sum.update(&out[..read]);
        self.left -= read as u64;
        // The last bytes are not given before they are known to be right.
        if self.left == 0 {
            self.finish()?;
        }
        Ok(read)
    }
}

/// An error of reading for bytes that are not what they should be.
pub(super) fn invalid(error: SourceError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digests_are_read_and_written() {
        assert_eq!(BlobDigest::of(b"abc").to_string(), ABC);
        assert_eq!(BlobDigest::parse(ABC).unwrap(), BlobDigest::of(b"abc"));
        for wrong in ["", "sha256:", "sha512:ab", &ABC.to_uppercase(), &ABC.replace("ba", "zz"), &format!("{ABC}0")] {
            assert!(BlobDigest::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_that_are_not_the_blob_end_with_an_error() {
        let read = |bytes: &[u8], size| {
            let mut all = Vec::new();
            Checked::new(bytes, BlobDigest::parse(ABC).unwrap(), size).read_to_end(&mut all).map(|_| all)
        };
        assert_eq!(read(b"abc", 3).unwrap(), b"abc");
        for (bytes, size, about) in [
            (&b"abd"[..], 3, "another SHA-256"),
            (b"ab", 3, "has not the 3 bytes"),
            (b"abcd", 3, "has not the 3 bytes"),
            (b"abc", 2, "has not the 2 bytes"),
            (b"", 0, "another SHA-256"),
        ] {
            assert!(read(bytes, size).unwrap_err().to_string().contains(about), "{about}");
        }
    }
}
