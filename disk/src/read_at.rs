//! Reading an image at random.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::HashTree;

/// Bytes that are read at random: a file, a device, or what lies uncompressed in one.
pub trait ReadAt {
    /// The number of bytes that there are.
    fn bytes(&self) -> u64;

    /// The number of bytes that tables may take, which is smaller where most of the bytes are holes.
    fn most_bytes(&self) -> u64 {
        self.bytes()
    }

    /// A hash tree in the bytes that is known to be right. It need not be readable.
    fn hash_tree(&self) -> Option<HashTree> {
        None
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// The bytes cannot be read, or end before `out` is full ([`io::ErrorKind::UnexpectedEof`]).
    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let start = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = self.get(start..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn bytes(&self) -> u64 {
        R::bytes(self)
    }

    fn most_bytes(&self) -> u64 {
        R::most_bytes(self)
    }

    fn hash_tree(&self) -> Option<HashTree> {
        R::hash_tree(self)
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        R::read_exact_at(self, out, at)
    }
}

/// A file of a size that was asked for once.
#[derive(Debug)]
pub struct SizedFile<'f> {
    /// The file.
    pub file: &'f File,
    /// Its size in bytes.
    pub bytes: u64,
}

impl ReadAt for SizedFile<'_> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }
}
