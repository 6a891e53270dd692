//! Digests as OCI writes them, and bytes that are checked by them.

use std::io::{self, Read};

use regrow_store::{BlobDigest, BlobHasher};

use crate::SourceError;

/// Reads a digest of the form `sha256:HEX`.
///
/// # Errors
/// [`SourceError::Algorithm`] for any other text.
pub(super) fn parse(text: &str) -> Result<BlobDigest, SourceError> {
    BlobDigest::parse(text).ok_or_else(|| SourceError::Algorithm { digest: text.chars().take(160).collect() })
}

/// The hexadecimal digits of a digest.
pub(super) fn hex(digest: &BlobDigest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A blob's bytes on their way. The end of a blob that is not what its descriptor says is an error.
pub(super) struct Checked<R> {
    inner: R,
    digest: BlobDigest,
    bytes: u64,
    left: u64,
    sum: BlobHasher,
    is_done: bool,
}

impl<R: Read> Checked<R> {
    /// Takes the source of a blob of this digest and size.
    pub(super) fn new(inner: R, digest: BlobDigest, bytes: u64) -> Self {
        Self { inner, digest, bytes, left: bytes, sum: BlobHasher::default(), is_done: false }
    }

    /// Looks at the blob's end: no more bytes may follow, and all must have the digest.
    fn finish(&mut self) -> io::Result<()> {
        if self.is_done {
            return Ok(());
        }
        if self.inner.read(&mut [0])? != 0 {
            return Err(self.wrong_size());
        }
        if std::mem::take(&mut self.sum).finish() != self.digest {
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
    fn bytes_that_are_not_the_blob_end_with_an_error() {
        let read = |bytes: &[u8], size| {
            let mut all = Vec::new();
            Checked::new(bytes, parse(ABC).unwrap(), size).read_to_end(&mut all).map(|_| all)
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
