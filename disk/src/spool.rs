//! Room for the plain bytes of compressed streams. A stream can only be read front to back, while tables of a file system
//! are read at random.

use std::cell::Cell;
use std::io;

use crate::{DiskError, ReadAt, TarPart};

/// A place for plain bytes of any number, such as a folder for files without names.
pub trait Scratch {
    /// Begins an empty spool.
    ///
    /// # Errors
    /// There is no room.
    fn spool(&self) -> io::Result<Box<dyn Spool>>;

    /// Walks a tar, by the rules for tars, and gives its parts front to back as long as the result is `true`. The result is
    /// `false` if it is no tar. A place that knows no such rules gives this result for everything.
    ///
    /// # Errors
    /// The tar cannot be read.
    fn walk_tar(&self, _tar: &dyn ReadAt, _part: &mut dyn FnMut(TarPart<'_>) -> bool) -> io::Result<bool> {
        Ok(false)
    }
}

/// Bytes that are written front to back, and then read at random. They are gone when it is dropped.
pub trait Spool: ReadAt {
    /// Adds bytes behind those that are there.
    ///
    /// # Errors
    /// There is no room.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// The most plain bytes of all streams of an image: this many, and more for each byte of the image. Both bound what an
/// image can make its reader write.
const PLAIN_BYTES: u64 = 64 << 20;
const PLAIN_BYTES_EACH: u64 = 128;

/// Spools for the streams of one image.
pub(crate) struct Spools<'s> {
    scratch: &'s dyn Scratch,
    image_bytes: u64,
    /// The plain bytes that they may still take.
    left: Cell<u64>,
}

impl<'s> Spools<'s> {
    pub(crate) fn new(scratch: &'s dyn Scratch, image_bytes: u64) -> Self {
        let left = image_bytes.saturating_mul(PLAIN_BYTES_EACH).saturating_add(PLAIN_BYTES);
        Self { scratch, image_bytes, left: Cell::new(left) }
    }

    /// The number of bytes of the image.
    pub(crate) fn image_bytes(&self) -> u64 {
        self.image_bytes
    }

    pub(crate) fn walk_tar(
        &self,
        tar: &dyn ReadAt,
        part: &mut dyn FnMut(TarPart<'_>) -> bool,
    ) -> Result<bool, DiskError> {
        Ok(self.scratch.walk_tar(tar, part)?)
    }

    pub(crate) fn begin(&self) -> Result<Box<dyn Spool>, DiskError> {
        self.scratch.spool().map_err(DiskError::Scratch)
    }

    /// Adds plain bytes to a spool. The result is `false` if there are too many.
    pub(crate) fn append(&self, spool: &mut dyn Spool, plain: &[u8]) -> Result<bool, DiskError> {
        let Some(left) = self.left.get().checked_sub(plain.len() as u64) else { return Ok(false) };
        self.left.set(left);
        spool.append(plain).map_err(DiskError::Scratch)?;
        Ok(true)
    }
}
