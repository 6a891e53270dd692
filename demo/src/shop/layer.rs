//! A layer: a tar of files with the folders that hold them.

use std::collections::BTreeSet;
use std::io;

use tar::{Builder, EntryType, Header};

/// The tar of a layer that is being made.
pub(super) struct Layer {
    tar: Builder<Vec<u8>>,
    folders: BTreeSet<String>,
    /// The time of folders, in seconds since 1970.
    folder_time: u64,
}

impl Layer {
    pub(super) fn new(folder_time: u64) -> Self {
        Self { tar: Builder::new(Vec::new()), folders: BTreeSet::new(), folder_time }
    }

    /// Adds a file, after those folders above it that were not added yet. `time` is in seconds since 1970.
    pub(super) fn add(&mut self, path: &str, time: u64, contents: &[u8]) -> io::Result<()> {
        for (end, _) in path.match_indices('/') {
            self.add_folder(&path[..=end])?;
        }
        let mode = if contents.starts_with(b"\x7FELF") { 0o755 } else { 0o644 };
        self.append(path, EntryType::Regular, mode, time, contents)
    }

    fn add_folder(&mut self, path: &str) -> io::Result<()> {
        if self.folders.insert(path.to_owned()) {
            self.append(path, EntryType::Directory, 0o755, self.folder_time, &[])?;
        }
        Ok(())
    }

    fn append(&mut self, path: &str, kind: EntryType, mode: u32, time: u64, contents: &[u8]) -> io::Result<()> {
        let mut header = header(kind, mode, time, contents.len());
        self.tar.append_data(&mut header, path, contents)
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        self.tar.into_inner()
    }
}

/// The header of an entry that belongs to root.
pub(super) fn header(kind: EntryType, mode: u32, time: u64, bytes: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(bytes as u64);
    header
}
