//! A store in a folder, for code that reads the tables of its packs without the async interface.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use regrow_chunker::PackId;

use super::open::open_regular;
use crate::StoreError;
use crate::layout::{STORE_FILE, pack_name, parse_pack_name};
use crate::pack::{PackError, PackTail, TRAILER_BYTES, Trailer};

/// A store in a folder that is read directly.
#[derive(Debug, Clone)]
pub struct FolderReader {
    root: PathBuf,
}

impl FolderReader {
    /// Opens the store in `root`.
    ///
    /// # Errors
    /// [`StoreError::Location`] if there is no store.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        if root.join(STORE_FILE).is_file() {
            return Ok(Self { root: root.to_owned() });
        }
        Err(no_store(root))
    }

    /// The packs of the store, in no particular order.
    pub fn packs(&self) -> Result<Vec<PackId>, StoreError> {
        let mut found = Vec::new();
        let packs = self.root.join("packs");
        for shard in fs::read_dir(&packs).map_err(StoreError::io(&packs))? {
            let shard = shard.map_err(StoreError::io(&packs))?.path();
            if !shard.is_dir() {
                continue;
            }
            for file in fs::read_dir(&shard).map_err(StoreError::io(&shard))? {
                let file = file.map_err(StoreError::io(&shard))?;
                found.extend(file.file_name().to_str().and_then(parse_pack_name));
            }
        }
        Ok(found)
    }

    /// Reads the end of a pack.
    pub fn tail(&self, id: &PackId) -> Result<PackTail, StoreError> {
        let path = self.root.join(pack_name(id));
        let damaged =
            |error: PackError| StoreError::Damaged { object: path.display().to_string(), reason: error.to_string() };
        let (mut file, metadata) = open_regular(&path).map_err(StoreError::io(&path))?;
        let bytes = metadata.len();
        if bytes < TRAILER_BYTES {
            return Err(damaged(PackError::NotAPack));
        }
        let mut trailer = [0; TRAILER_BYTES as usize];
        let mut read_at = |at: u64, buffer: &mut [u8]| -> Result<(), StoreError> {
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(buffer)).map_err(StoreError::io(&path))
        };
        read_at(bytes - TRAILER_BYTES, &mut trailer)?;
        let tail_at = Trailer::decode(&trailer, bytes).map_err(damaged)?.tail_at;
        // This is bounded: the trailer's check allows 64 MiB at most, and no more than the file has.
        let mut end = vec![0; (bytes - tail_at) as usize];
        read_at(tail_at, &mut end)?;
        PackTail::decode(&Bytes::from(end), bytes).map_err(damaged)
    }
}

fn no_store(root: &Path) -> StoreError {
    StoreError::Location {
        location: root.display().to_string(),
        reason: format!("no store here: there is no {STORE_FILE}"),
    }
}
