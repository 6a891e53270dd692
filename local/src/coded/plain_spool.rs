//! Plain bytes of compressed files that a scan decompressed, in a file without a name. What reads the seed later in the same
//! run finds them there, and decompresses nothing again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::room;

/// The plain bytes of all compressed files in an image, each at its place in the plain image. So the file is sparse.
#[derive(Debug, Default)]
pub(crate) struct PlainSpool {
    file: Option<File>,
    /// The number of bytes that may still be written.
    left: u64,
}

impl PlainSpool {
    /// Makes a file in this folder, if there is one with room.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        let file = folder.and_then(|folder| Some((tempfile::tempfile_in(folder).ok()?, room::plain_bytes(folder))));
        file.map_or_else(Self::default, |(file, left)| Self { file: Some(file), left })
    }

    /// Keeps bytes that lie at this place in the plain image. If there is no room for all, nothing is kept, because the
    /// room may be worth more to others.
    pub(crate) fn keep(&mut self, plain_at: u64, bytes: &[u8]) {
        let Some(file) = &self.file else { return };
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) if file.write_all_at(bytes, plain_at).is_ok() => self.left = left,
            _ => self.file = None,
        }
    }

    /// The file, if all bytes are in it, and how much more may be written to it.
    pub(super) fn take(&mut self) -> Option<(File, u64)> {
        Some((self.file.take()?, self.left))
    }
}

/// It only spares time, so scans that differ in it alone are the same.
impl PartialEq for PlainSpool {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for PlainSpool {}
