//! The facts that an index tells about a disk image.

use regrow_index::Index;
use serde::Serialize;

/// The facts about a disk image. No signature covers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskInfo {
    /// Whether the image is seen through, so that its files are known.
    pub divided: bool,
    /// The number of its files, 0 if it is not seen through.
    pub files: u64,
    /// The format with some details, or the reason why the image is not seen through.
    pub words: String,
}

impl DiskInfo {
    pub(crate) fn of(index: &Index) -> Option<Self> {
        let note = index.units.as_ref()?.disk.as_ref()?;
        Some(Self { divided: note.is_divided, files: note.files, words: note.words.clone() })
    }
}
