//! What can go wrong in regrow's flows, by cause.

use std::path::{Path, PathBuf};

use regrow_chunker::ChunkId;
use regrow_image::LayoutError;
use regrow_index::IndexError;
use regrow_store::StoreError;

/// An error of make, extract, info, diff or verify. Each is one line that names what it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// A store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Bytes that should be an index are not.
    #[error("{location}: {source}")]
    Index {
        /// Path or URL.
        location: String,
        /// What does not fit.
        source: IndexError,
    },
    /// The index is well-formed, but what it describes is not.
    #[error("{location}: {reason}")]
    Recipe {
        /// Path or URL of the index.
        location: String,
        /// What does not fit.
        reason: String,
    },
    /// No store is known.
    #[error("{location}: the index does not say where its store is; give one with --store")]
    NoStore {
        /// Path or URL of the index.
        location: String,
    },
    /// A chunk is nowhere to be had whole.
    #[error(
        "chunk {id} of pack {pack} is damaged in {stores}; run `regrow verify --store` there, or give another --store"
    )]
    Damaged {
        /// The chunk.
        id: ChunkId,
        /// The pack.
        pack: ChunkId,
        /// The stores that were asked.
        stores: String,
    },
    /// The index and the pack disagree.
    #[error("chunk {id} is not as long as the index says; the index is wrong")]
    ChunkLength {
        /// The chunk.
        id: ChunkId,
    },
    /// What was put together is not the image.
    #[error("{}: the rebuilt image does not have the digest that the index states; nothing was replaced", path.display())]
    Digest {
        /// The output.
        path: PathBuf,
    },
    /// Another process works on the same output.
    #[error("{}: another regrow is writing this output", path.display())]
    Busy {
        /// The output.
        path: PathBuf,
    },
    /// gc may delete a pack that the index would name before it sees the index.
    #[error("{store}: gc has condemned pack {pack} while this ran; run it again, it will do without")]
    Condemned {
        /// The pack.
        pack: ChunkId,
        /// The store.
        store: String,
    },
    /// Two collections of one store at a time.
    #[error("{store}: another gc is at work there; try later")]
    Collected {
        /// The store.
        store: String,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A worker thread died.
    #[error("a worker thread stopped; this is a fault of regrow")]
    Worker,
}

impl SyncError {
    /// An [`SyncError::Io`] for `path`, for use in `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// For the skeleton of the image that `location` describes.
    pub(crate) fn layout(location: &str) -> impl Fn(LayoutError) -> Self + use<> {
        let location = location.to_owned();
        move |error| Self::Recipe { location: location.clone(), reason: error.to_string() }
    }
}
