//! The bytes that are uploaded, from memory or from a file.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::NamedTempFile;

use crate::folder::blocking;
use crate::{Content, StoreError};

/// The source of an upload. Of a file only the bytes that are on their way are in memory.
pub(crate) enum Source {
    Bytes(Bytes),
    File { file: Arc<File>, bytes: u64, kept: NamedTempFile },
}

impl Source {
    pub(crate) fn of(content: Content) -> Result<Self, StoreError> {
        match content {
            Content::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Content::File(kept) => {
                let failed = StoreError::io(kept.path());
                let opened = kept.as_file().metadata().and_then(|data| Ok((data.len(), kept.as_file().try_clone()?)));
                let (bytes, file) = opened.map_err(failed)?;
                Ok(Self::File { file: Arc::new(file), bytes, kept })
            }
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// Reads a range that lies within the source.
    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        match self {
            // The range is within bytes in memory, so its ends fit a usize.
            Self::Bytes(bytes) => Ok(bytes.slice(range.start as usize..range.end as usize)),
            Self::File { file, kept, .. } => {
                let (file, path) = (Arc::clone(file), kept.path().to_owned());
                blocking(move || {
                    let mut piece = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut piece, range.start).map_err(StoreError::io(path))?;
                    Ok(piece.into())
                })
                .await
            }
        }
    }
}
