//! The entries of an archive at its outermost level, as a walk finds them.

use regrow_image::{Entry, FileStart, Piece, WalkSink};

use super::{ArchiveEntry, EntryKind};

/// The entries that a walk has found so far.
#[derive(Default)]
pub(super) struct EntryList {
    pub(super) entries: Vec<ArchiveEntry>,
    /// The number of open archives within the archive.
    depth: usize,
}

impl WalkSink for EntryList {
    fn literal(&mut self, _: &[u8]) {}

    fn entry(&mut self, entry: &Entry<'_>) {
        if self.depth > 0 {
            return;
        }
        let kind = match entry.header.type_flag() {
            0 | b'0' | b'7' => EntryKind::File,
            b'1' | b'2' => EntryKind::Link(entry.link().into_owned()),
            _ => EntryKind::Other,
        };
        let stored_bytes = if kind == EntryKind::File { entry.size } else { 0 };
        let path = entry.path().into_owned();
        self.entries.push(ArchiveEntry { path, kind, stored_bytes, part: None, is_coded: false });
    }

    fn begin_file(&mut self, _: FileStart) {}

    fn contents(&mut self, _: Piece<'_>) {}

    fn end_file(&mut self) {}

    fn begin_level(&mut self) {
        self.depth += 1;
    }

    fn end_level(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}
