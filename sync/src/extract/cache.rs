//! Parts of packs in a folder. FORMAT.md, section 9. Trusted for nothing; failing to write it fails nothing.

use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use regrow_chunker::ChunkId;
use regrow_store::{MAX_TAIL_BYTES, PATCHES_FOLDER, temporary_file};

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(crate) struct FrameCache {
    root: PathBuf,
    /// In a dry run.
    is_read_only: bool,
}

impl FrameCache {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), is_read_only: false }
    }

    /// The same cache, never written.
    pub(crate) fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    fn path(&self, pack: &ChunkId, range: &Range<u64>) -> PathBuf {
        self.root.join(pack.shard()).join(format!("{pack}-{}-{}", range.start, range.end - range.start))
    }

    /// Where a patch is kept, whole.
    pub(crate) fn patch_path(&self, base: &ChunkId, target: &ChunkId) -> PathBuf {
        self.root.join(PATCHES_FOLDER).join(format!("{base}-{target}"))
    }

    pub(crate) fn is_writable(&self) -> bool {
        !self.is_read_only
    }

    /// Drops a patch that proved to be damaged.
    pub(crate) fn remove_patch(&self, path: &Path) {
        if !self.is_read_only {
            let _ = std::fs::remove_file(path);
        }
    }

    /// These bytes of a pack, as they were put.
    pub(crate) fn get(&self, pack: &ChunkId, range: &Range<u64>) -> Option<Bytes> {
        let wanted = range.end.checked_sub(range.start).filter(|&len| len <= 2 * MAX_TAIL_BYTES)?;
        let file = std::fs::File::open(self.path(pack, range)).ok()?;
        if file.metadata().ok()?.len() != wanted {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(wanted).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == wanted).then(|| Bytes::from(bytes))
    }

    /// Whether there is such a part.
    pub(crate) fn holds(&self, pack: &ChunkId, range: &Range<u64>) -> bool {
        self.path(pack, range).metadata().is_ok_and(|metadata| metadata.len() == range.end - range.start)
    }

    /// Keeps a part.
    pub(crate) fn put(&self, pack: &ChunkId, range: &Range<u64>, bytes: &[u8]) {
        if self.is_read_only {
            return;
        }
        let path = self.path(pack, range);
        let Some(folder) = path.parent() else { return };
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = temporary_file(folder, ".part-")?;
            file.write_all(bytes)?;
            file.persist(&path).map_err(|error| error.error)
        };
        // A cache that cannot be written is only slower.
        let _ = write();
    }

    /// Drops a part that proved to be damaged.
    pub(crate) fn remove(&self, pack: &ChunkId, range: &Range<u64>) {
        if !self.is_read_only {
            let _ = std::fs::remove_file(self.path(pack, range));
        }
    }
}
