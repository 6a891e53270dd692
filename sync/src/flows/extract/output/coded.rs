//! An image that has coded files, and so is not the same as its plain image.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{End, Medium, OutputFile};
use crate::SyncError;

/// What was written of coded files before it was known that it is right.
#[derive(Default)]
pub(super) struct EarlyFiles {
    /// The coded stretches that are in the image already, as far as is known.
    kept: Mutex<Vec<usize>>,
    /// Whether anything was written.
    has_bytes: AtomicBool,
}

impl OutputFile {
    /// Writes bytes of an image that has coded files. They are made from verified bytes, and only the image's digest
    /// tells whether they are right.
    pub(crate) fn write_image(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        let write = || self.coded.as_ref().ok_or(io::ErrorKind::NotFound)?.write(at, bytes);
        self.is_begun.store(true, Ordering::Relaxed);
        write().map_err(SyncError::io(self.path()))
    }

    /// Writes bytes of a coded file before it is known that they are right.
    pub(crate) fn write_early(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        self.early.has_bytes.store(true, Ordering::Relaxed);
        self.write_image(at, bytes)
    }

    /// Whether there may be such bytes in the image.
    pub(crate) fn has_early_bytes(&self) -> bool {
        self.early.has_bytes.load(Ordering::Relaxed)
    }

    /// Whether coded files may be written before it is known that they are right. In place, they would overwrite what
    /// they are made from.
    pub(crate) fn takes_coded_files_early(&self) -> bool {
        matches!((&self.end, &self.coded), (End::Rename(_), Some(Medium::New(_))))
    }

    /// Remembers the numbers of coded stretches that are in the image already.
    pub(crate) fn keep_coded(&self, mut numbers: Vec<usize>) {
        numbers.sort_unstable();
        *self.early.kept.lock().unwrap_or_else(PoisonError::into_inner) = numbers;
    }

    /// Takes the numbers of coded stretches that are in the image already, in order.
    pub(crate) fn take_kept_coded(&self) -> Vec<usize> {
        std::mem::take(&mut *self.early.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what was written of an image that has coded files. Zeros are not written to a file that was empty, so
    /// nothing else may stand in their place.
    pub(crate) fn begin_coded_again(&self) -> Result<(), SyncError> {
        let Some(Medium::New(file)) = &self.coded else { return Ok(()) };
        file.set_len(0).and_then(|()| file.set_len(self.sizes.image)).map_err(SyncError::io(self.path()))
    }
}
