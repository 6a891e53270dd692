//! The errors of regrow's flows, by cause.

use std::path::{Path, PathBuf};

use regrow_chunker::{ChunkId, PackId};
use regrow_engine::EngineError;
use regrow_image::LayoutError;
use regrow_index::IndexError;
use regrow_local::LocalError;
use regrow_sign::SignError;
use regrow_store::StoreError;

#[cfg(feature = "sources")]
use crate::SourceError;
use crate::TrustError;

/// An error of a flow. Each message is one line that names the object it is about.
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
    /// An empty image would replace a file that is not empty.
    #[error("{}: the image has 0 bytes, and the file has {bytes}; it is left as it is", path.display())]
    Empty {
        /// The output.
        path: PathBuf,
        /// The size of the file in bytes.
        bytes: u64,
    },
    /// The plain form of an image was asked for, but the image has compressed files within it.
    #[error("{location}: the image has compressed files within it, and is not one itself, so it comes only as it is")]
    SeveralForms {
        /// The location of the index.
        location: String,
    },
    /// The plain form of an image was asked for, and nothing is known that checks it.
    #[error("{location}: the digest that was given is the compressed image's, and does not check what that holds")]
    PlainUnchecked {
        /// The location of the index.
        location: String,
    },
    /// The object that should be an index is not one.
    #[error("{location}: {source}")]
    Index {
        /// The path or URL of the object.
        location: String,
        /// The reason why it is not an index.
        source: IndexError,
    },
    /// Another index took the place of the one that was read.
    #[error("{location}: the index of another image took its place while it was read; run it again")]
    Replaced {
        /// The path or URL of the index.
        location: String,
    },
    /// The index is well-formed, but describes an image that cannot be.
    #[error("{location}: {reason}")]
    Recipe {
        /// The path or URL of the index.
        location: String,
        /// The mismatch.
        reason: String,
    },
    /// The index does not name a store, and no other was given.
    #[error("{location}: the index does not say where its store is; give one")]
    NoStore {
        /// The path or URL of the index.
        location: String,
    },
    /// Chunks must be fetched, and there is no store to fetch them from.
    #[error("chunks are missing and no store is known; give one")]
    StoreNeeded,
    /// No store has an undamaged copy of a chunk.
    #[error("chunk {id} of pack {pack} is damaged in {stores}")]
    Damaged {
        /// The chunk.
        id: ChunkId,
        /// The pack.
        pack: PackId,
        /// The stores that were asked, separated by commas.
        stores: String,
    },
    /// The index and a pack disagree about the length of a chunk.
    #[error("chunk {id} is not as long as the index says; the index is wrong")]
    ChunkLength {
        /// The chunk.
        id: ChunkId,
    },
    /// The rebuilt bytes do not have the digest of the image.
    #[error("{}: the rebuilt image does not have the digest that the index states; {left}", path.display())]
    Digest {
        /// The output.
        path: PathBuf,
        /// The state of the output.
        left: Left,
    },
    /// A part of an image does not have the name that the index states.
    #[error("{location}: the bytes of part {part} do not have its SHA-256 name; the index is wrong")]
    PartName {
        /// The location of the index.
        location: String,
        /// The name.
        part: String,
    },
    /// The device is in use. It is written over only if the user insists.
    #[error("{}: the device is mounted or in use otherwise", path.display())]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// A link is not followed, because anybody could have put it there, or because another user chose it for a new
    /// file.
    #[error("{}: a link of user {owner}, another user, is not followed; give the path that it leads to", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// A file is not written over, because anybody could have put it there.
    #[error(
        "{}: a file of another user or with a second name, in a folder that others can write, is not written over in place",
        path.display()
    )]
    Planted {
        /// The file.
        path: PathBuf,
    },
    /// Another file cannot take the place of this one, because something is mounted on it, and there is no place for a
    /// copy beside it.
    #[error("{}: something is mounted on this file, so no other can take its place, and none can be made beside it", path.display())]
    MountPoint {
        /// The file.
        path: PathBuf,
    },
    /// The output is a device, a pipe or a socket, whose place no file can take.
    #[error("{}: is no file", path.display())]
    NoFile {
        /// The output.
        path: PathBuf,
    },
    /// A file cannot be replaced or written over, because it is marked as immutable or append-only.
    #[error("{}: the file is marked as immutable or append-only; remove the mark with chattr, or write elsewhere", path.display())]
    Immutable {
        /// The file.
        path: PathBuf,
    },
    /// The name of a temporary file is taken by an object that cannot be removed: something of another user, or a
    /// folder.
    #[error("{}: something that is not regrow's lies there and cannot be removed ({source}); write to another folder", path.display())]
    Occupied {
        /// The temporary file.
        path: PathBuf,
        /// The reason why the object cannot be removed.
        source: std::io::Error,
    },
    /// The temporary file has lost its name.
    #[error("{}: another process removed or replaced it while it was written; nothing was replaced, run it again", path.display())]
    Lost {
        /// The temporary file.
        path: PathBuf,
    },
    /// The disk has too little room for the output.
    #[error("{}: {needed} bytes of room are needed there, and {free} are free", folder.display())]
    Room {
        /// The folder.
        folder: PathBuf,
        /// The bytes that would be written.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// Another process is writing the same output.
    #[error("{}: another regrow is writing this output", path.display())]
    Busy {
        /// The output.
        path: PathBuf,
    },
    /// The index would name a pack that gc may delete before it sees the index.
    #[error("{store}: gc condemned pack {pack} during this run; run it again, and it will do without the pack")]
    Condemned {
        /// The pack.
        pack: PackId,
        /// The store.
        store: String,
    },
    /// The index would name a pack that cannot be read.
    #[error("{store}: pack {pack} is archived and cannot be read at once, though it was put again; restore it first")]
    Archived {
        /// The pack.
        pack: PackId,
        /// The store.
        store: String,
    },
    /// This machine's clock differs from the store's by too much for gc.
    #[error(
        "{store}: this machine's clock is {} {} the store's; set it right, because gc depends on it; nothing was deleted",
        shown(*.by), if *.is_behind { "behind" } else { "ahead of" }
    )]
    Clock {
        /// The store.
        store: String,
        /// The difference between the clocks.
        by: std::time::Duration,
        /// Whether this machine's clock is behind the store's.
        is_behind: bool,
    },
    /// An index that was written is not what is read back.
    #[error("{index}: is not what was just written there; the host has lost it, or another program writes it")]
    ReadBack {
        /// The index.
        index: String,
    },
    /// The chunks would be smaller than machines accept by default, and this run was not told that they accept more.
    #[error("{store}: machines refuse chunks of less than {limit} bytes on average")]
    SmallChunks {
        /// The store.
        store: String,
        /// The smallest average that this run was told machines accept, in bytes.
        limit: u64,
        /// The limit that would accept these chunks, in bytes.
        needed: u64,
    },
    /// A place whose indexes gc should keep has none.
    #[error("{place}: there is no index (*.rgx) to keep there; nothing is deleted")]
    NothingKept {
        /// The place.
        place: String,
    },
    /// Without an index to keep, gc would delete the whole store.
    #[error("{places}: there is no index to keep")]
    NoIndexes {
        /// The places that were looked through.
        places: String,
    },
    /// The indexes that gc should keep need nothing of the store, so they are most likely those of another one.
    #[error("{places}: these indexes need none of the store's packs: are they those of another store?")]
    OtherIndexes {
        /// The places that were looked through.
        places: String,
    },
    /// Another gc is already collecting this store.
    #[error("{store}: another gc is at work there; try later")]
    Collected {
        /// The store.
        store: String,
    },
    /// The image is not one that this machine is told to trust.
    #[error("{location}: {reason}")]
    Untrusted {
        /// The path or URL of the index.
        location: String,
        /// The reason.
        reason: TrustError,
    },
    /// A file that should be a key or a signature is none that can be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file, or a folder of keys.
        path: PathBuf,
        /// The reason.
        source: SignError,
    },
    /// A signature cannot be added to an index.
    #[error("{location}: {source}")]
    Signature {
        /// The path or URL of the index.
        location: String,
        /// The reason.
        source: SignError,
    },
    /// An index of version 1 has no place for signatures and claims.
    #[error("{location}: an index of version 1 cannot be signed; make the image again in version 2")]
    Unsignable {
        /// The path or URL of the index.
        location: String,
    },
    /// Others wrote the index again and again while it was changed.
    #[error("{index}: others write it at the same time; run it again")]
    Contended {
        /// The path or URL of the index.
        index: String,
    },
    /// Somebody else could have put keys there, so that no key there can be trusted.
    #[error("{}: others than root can write there, so the keys cannot be trusted; set owner and mode right", path.display())]
    OpenKeys {
        /// The folder or file.
        path: PathBuf,
    },
    /// A container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The image is no archive of container images, or not a complete one.
    #[error("{location}: the image is none that a container engine takes: {reason}")]
    NoImage {
        /// The path or URL of the index.
        location: String,
        /// The reason.
        reason: String,
    },
    /// A single name was given for several images.
    #[error("the archive has {count} images, which cannot all have the same name")]
    SeveralImages {
        /// The number of images.
        count: usize,
    },
    /// An image that is no file cannot be read.
    #[cfg(feature = "sources")]
    #[error("{image}: {reason}")]
    Source {
        /// The image, as the user named it.
        image: String,
        /// The cause.
        reason: Box<SourceError>,
    },
    /// The request makes no sense.
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
    /// The file under the final name is still the old one.
    Untouched,
    /// The file or device was partly written in place.
    Overwritten,
    /// The pipe got everything but the end.
    HeldBack,
    /// The pipe got nothing.
    Withheld,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Untouched => "nothing was replaced",
            Self::Overwritten => "the target was overwritten and is not the image; its first MiB was not written",
            Self::Withheld => "nothing was written",
            Self::HeldBack => "the last 4 MiB were held back",
        })
    }
}

/// A time in words.
fn shown(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// An error that both layers know keeps its kind, so that a caller finds each cause in one place.
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

    /// Makes an error for the skeleton of the image that `location` describes.
    pub(crate) fn layout(location: &str) -> impl Fn(LayoutError) -> Self + use<> {
        let location = location.to_owned();
        move |error| Self::Recipe { location: location.clone(), reason: error.to_string() }
    }
}
