//! Counts the cost of a patch by file. For that the patch is made, and thrown away.

use std::ops::Range;

use regrow_local::LocalError;

use crate::spent::Spent;
use crate::write::{Between, Made, write_counted};

/// The cost of a patch, in total and by file. The parts add up to the total.
pub struct PatchCosts {
    /// The size of the whole patch in bytes.
    pub bytes: u64,
    /// The part of the bytes that makes the skeleton, which is mostly headers.
    pub skeleton: u64,
    /// The ranges of files in the contents stream, with the cost of each, in order. Files that cost nothing are left
    /// out.
    pub files: Vec<(Range<u64>, u64)>,
    /// The part of the bytes that belongs to no file: the patch's own header, its checksum, and the lists of
    /// held parts and of the base's members.
    pub other: u64,
}

impl PatchCosts {
    /// Makes the patch in a temporary file, and counts.
    pub fn of(between: &Between<'_>) -> Result<Self, LocalError> {
        let mut file = tempfile::tempfile_in(between.scratch).map_err(LocalError::io(between.scratch))?;
        let mut spent = Spent::default();
        let bytes = match write_counted(&Between { least_saving: 0, ..*between }, &mut file, Some(&mut spent), false)? {
            Made::Patch(written) => written.header.patch_bytes,
            Made::NotWorth { bytes } => bytes,
        };
        Ok(Self {
            bytes,
            skeleton: spent.skeleton,
            files: spent.files.into_iter().filter(|(_, bytes)| *bytes > 0).collect(),
            other: spent.other,
        })
    }
}
