//! What can go wrong in regrow's flows, by cause.

use std::path::{Path, PathBuf};

use regrow_chunker::ChunkId;
use regrow_image::LayoutError;
use regrow_index::IndexError;
use regrow_local::LocalError;
use regrow_store::StoreError;

/// An error of make, extract, info, diff or verify. Each is one line that names what it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// A store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image on this machine could not be read or rewritten.
    #[error(transparent)]
    Local(LocalError),
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// An image of no bytes would replace a file that has some.
    #[error("{}: the image has 0 bytes, and the file has {bytes}; --force replaces it all the same", path.display())]
    Empty {
        /// The output.
        path: PathBuf,
        /// Bytes that it has.
        bytes: u64,
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
    /// The rebuilt bytes are not the image.
    #[error("{}: the rebuilt image does not have the digest that the index states; {left}", path.display())]
    Digest {
        /// The output.
        path: PathBuf,
        /// The state of the output.
        left: Left,
    },
    /// A device in use is overwritten only if the user insists.
    #[error("{}: the device is mounted or in use otherwise; --force writes over it all the same", path.display())]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// A link that anybody could have put there, or that another user chose for a new file, is not followed.
    #[error("{}: a link of user {owner}, another user, is not followed; give the path that it leads to", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// A file that anybody could have put there is not written over.
    #[error(
        "{}: a file of another user or with a second name, in a folder that others can write, is not written over in place",
        path.display()
    )]
    Planted {
        /// The file.
        path: PathBuf,
    },
    /// A file that something is mounted on cannot be replaced by another.
    #[error(
        "{}: something is mounted on this file, so no other can take its place; --in-place writes over it",
        path.display()
    )]
    MountPoint {
        /// The file.
        path: PathBuf,
    },
    /// A file that is marked so cannot be replaced by another, and not be written over.
    #[error("{}: the file is marked as immutable or append-only; take that away with chattr, or write elsewhere", path.display())]
    Immutable {
        /// The file.
        path: PathBuf,
    },
    /// Something of another user, or a folder, lies where a temporary file belongs, and it cannot be removed.
    #[error("{}: something that is not regrow's lies there and cannot be removed ({source}); write to another folder", path.display())]
    Occupied {
        /// The temporary file.
        path: PathBuf,
        /// Why it cannot be removed.
        source: std::io::Error,
    },
    /// The temporary file no longer has its name.
    #[error("{}: another process removed or replaced it while it was written; nothing was replaced, run it again", path.display())]
    Lost {
        /// The temporary file.
        path: PathBuf,
    },
    /// The disk cannot hold what would be written.
    #[error("{}: {needed} bytes of room are needed there, and {free} are free", folder.display())]
    Room {
        /// The folder.
        folder: PathBuf,
        /// Bytes that would be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
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
    /// A pack that the index would name cannot be read.
    #[error("{store}: pack {pack} is archived and cannot be read at once, though it was put again; restore it first")]
    Archived {
        /// The pack.
        pack: ChunkId,
        /// The store.
        store: String,
    },
    /// This machine's clock and the store's differ by too much for gc.
    #[error(
        "{store}: this machine's clock is {} {} the store's; set it right, since gc goes by it; nothing was deleted",
        shown(*.by), if *.is_behind { "behind" } else { "ahead of" }
    )]
    Clock {
        /// The store.
        store: String,
        /// By how much they differ.
        by: std::time::Duration,
        /// Whether this machine's is behind.
        is_behind: bool,
    },
    /// An index that was written is not what is read back.
    #[error("{index}: is not what was just written there; the host has lost it, or another program writes it")]
    ReadBack {
        /// The index.
        index: String,
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

/// The state in which a failed run leaves its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// A file under its final name is the old one.
    Untouched,
    /// A file or device was partly written in place.
    Overwritten,
    /// A pipe has got all but the end.
    HeldBack,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Untouched => "nothing was replaced",
            Self::Overwritten => "the target was overwritten and is not the image; its first MiB was not written",
            Self::HeldBack => "the last 4 MiB were held back",
        })
    }
}

/// A time as people say it.
fn shown(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// What both layers know stays what it is, so that whoever asks for a cause finds it in one place.
impl From<LocalError> for SyncError {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::Io { path, source } => Self::Io { path, source },
            LocalError::Layout { image, source } => Self::Recipe { location: image, reason: source.to_string() },
            LocalError::Usage(reason) => Self::Usage(reason),
            LocalError::TimeUp { allowed } => Self::Store(StoreError::TimeUp { allowed }),
            LocalError::Worker => Self::Worker,
            error => Self::Local(error),
        }
    }
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
