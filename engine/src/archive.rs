//! The archives that engines read from a pipe: a plain tar of files that are written one after the other.

use std::io::{self, Write};

use crate::digest::Hashing;
use crate::{EngineError, EngineKind, Sha256};

const BLOCK: usize = 512;
/// The most bytes that the octal digits of a header can say.
const MAX_OCTAL: u64 = 0o777_7777_7777;
/// The bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A tar on its way into an engine.
pub(crate) struct Archive<W> {
    engine: EngineKind,
    to: W,
    buffer: Vec<u8>,
    /// The layer that is being written.
    layer: Option<Hashing>,
    /// The number of bytes that the file still lacks.
    missing: u64,
    padding: usize,
    /// The first layer that was not what it should have been.
    wrong: Option<EngineError>,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(engine: EngineKind, to: W) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Self { engine, to, buffer, layer: None, missing: 0, padding: 0, wrong: None }
    }

    /// Begins a layer, which must have this digest. Its bytes are written to the archive.
    pub(crate) fn begin(&mut self, path: &str, bytes: u64, digest: Option<Sha256>) -> io::Result<()> {
        self.header(path, bytes)?;
        self.layer = Some(Hashing::new(digest, bytes));
        Ok(())
    }

    /// Adds a small file.
    pub(crate) fn add(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.header(path, bytes.len() as u64)?;
        self.write_all(bytes)
    }

    /// Checks that all layers so far were what they should have been.
    pub(crate) fn check(&mut self) -> Result<(), EngineError> {
        self.end_layer();
        self.wrong.take().map_or(Ok(()), Err)
    }

    /// Writes the end.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.end_file()?;
        self.put(&[0; 2 * BLOCK])?;
        self.drain()
    }

    /// What the archive went to.
    pub(crate) fn into_inner(self) -> W {
        self.to
    }

    fn header(&mut self, path: &str, bytes: u64) -> io::Result<()> {
        self.end_file()?;
        self.put(&header(path, bytes)?)?;
        self.missing = bytes;
        self.padding = (bytes.next_multiple_of(BLOCK as u64) - bytes) as usize;
        Ok(())
    }

    /// Compares the layer that was written with what it should be.
    fn end_layer(&mut self) {
        if let Some(Err(error)) = self.layer.take().map(|layer| layer.check(self.engine)) {
            self.wrong.get_or_insert(error);
        }
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.end_layer();
        if self.missing > 0 {
            return Err(io::Error::other("fewer bytes came than the file has"));
        }
        let padding = std::mem::take(&mut self.padding);
        self.put(&[0; BLOCK][..padding])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.drain()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.to.write_all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for Archive<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(missing) = self.missing.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other("more bytes came than the file has"));
        };
        self.missing = missing;
        if let Some(layer) = &mut self.layer {
            layer.add(bytes);
        }
        self.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A header of the form that POSIX calls ustar.
fn header(path: &str, bytes: u64) -> io::Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    if path.len() > 100 {
        return Err(io::Error::other("the path is too long for an archive"));
    }
    put(0, path.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    if bytes <= MAX_OCTAL {
        put(124, format!("{bytes:011o}\0").as_bytes());
    } else {
        // As GNU's tar writes larger numbers, and all engines read them.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &bytes.to_be_bytes());
    }
    put(136, b"00000000000\0        0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Archive<Vec<u8>> {
        Archive::new(EngineKind::Docker, Vec::new())
    }

    #[test]
    fn tar_reads_what_is_written() {
        let mut archive = archive();
        let large = vec![7; BUFFER_BYTES + 3];
        archive.begin("blobs/large", large.len() as u64, Some(Sha256::of(&large))).unwrap();
        large.chunks(100_000).for_each(|chunk| archive.write_all(chunk).unwrap());
        archive.add("small", b"text").unwrap();
        archive.check().unwrap();
        archive.end().unwrap();
        let bytes = archive.into_inner();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        let run = |arguments: &[&str]| {
            let output = std::process::Command::new("tar").args(arguments).arg("-f").arg(&path).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            output.stdout
        };
        assert_eq!(run(&["-t"]), b"blobs/large\nsmall\n");
        assert_eq!(run(&["-xO", "blobs/large"]), large);
        assert_eq!(run(&["-xO", "small"]), b"text");
    }

    #[test]
    fn other_bytes_and_lengths_do_not_pass() {
        for (bytes, text) in [(4, "abcx"), (5, "abcd"), (4, "abc")] {
            let mut archive = archive();
            archive.begin("layer", bytes, Some(Sha256::of(b"abcd"))).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
            let error = archive.check().unwrap_err();
            assert!(matches!(error, EngineError::OtherLayer { .. }), "{text}: {error}");
        }
        let mut archive = archive();
        archive.begin("layer", 3, Some(Sha256::of(b"abc"))).unwrap();
        assert!(archive.write_all(b"abcd").is_err());
    }

    #[test]
    fn a_size_beyond_eight_gibibytes_is_written() {
        let block = header("large", MAX_OCTAL + 1).unwrap();
        assert_eq!(block[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        assert!(header(&"x".repeat(101), 0).is_err());
    }
}
