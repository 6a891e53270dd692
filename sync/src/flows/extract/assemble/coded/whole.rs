//! The recipe of a disk image in the index, which is read only if the base of a patch lacks blocks that it should hold.

use std::sync::{Mutex, PoisonError};

use regrow_index::{CodedStretch, DiskCoding, Index};
use regrow_local::WholeCoding;

use crate::flows::extract::Run;

/// The index of a run, as far as it is needed.
pub(super) struct WholeIndex<'a> {
    run: &'a Run<'a>,
    /// Held while the index is read, so that it is read once.
    reading: Mutex<()>,
}

impl<'a> WholeIndex<'a> {
    pub(super) fn of(run: &'a Run<'a>) -> Self {
        Self { run, reading: Mutex::default() }
    }
}

impl WholeCoding for WholeIndex<'_> {
    fn coding(&self) -> Option<&DiskCoding> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let Self { run, .. } = self;
        let index = match run.rest {
            Some(rest) => rest.index(run.network, run.location).ok()?,
            None => run.index,
        };
        disk_of(index)
    }
}

/// The recipe of an image that is one disk image.
fn disk_of(index: &Index) -> Option<&DiskCoding> {
    let [CodedStretch::Disk(disk)] = &index.codings[..] else { return None };
    Some(disk)
}
