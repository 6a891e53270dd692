//! One error type for work on local images.

use std::path::{Path, PathBuf};
use std::time::Duration;

use regrow_image::LayoutError;

/// An error of reading, scanning or rewriting a local image. Each message is one line that names its object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A part of the image is missing.
    #[error("{}: {missing}; nothing was published", path.display())]
    Partial {
        /// The image.
        path: PathBuf,
        /// The missing part.
        missing: Missing,
    },
    /// The image was written to while it was read.
    #[error(
        "{}: was written to while it was read; nothing was published, run it again when it is complete",
        path.display()
    )]
    Changed {
        /// The image.
        path: PathBuf,
    },
    /// The image cannot be read to its end.
    #[error("{}: cannot be read past byte {bytes}: {source}; nothing was published", path.display())]
    Unread {
        /// The image.
        path: PathBuf,
        /// The number of bytes that were read.
        bytes: u64,
        /// The cause.
        source: std::io::Error,
    },
    /// The blocks of a coded disk image do not fit its index.
    #[error("the blocks of a disk image do not fit its index: {0}")]
    DiskBlocks(String),
    /// The skeleton of an image does not say where its bytes belong.
    #[error("{image}: {source}")]
    Layout {
        /// The image, or the place that describes it.
        image: String,
        /// The mismatch.
        source: LayoutError,
    },
    /// The storage of an engine, or a layer in it, cannot be used.
    #[error("{}: {fault}", path.display())]
    Storage {
        /// The storage, or the file in it.
        path: PathBuf,
        /// The cause.
        fault: StorageFault,
    },
    /// A file that should be an image archive is something else.
    #[error("{}: no image archive: {reason}", path.display())]
    NoArchive {
        /// The file.
        path: PathBuf,
        /// The thing that the file is instead, and what to do.
        reason: &'static str,
    },
    /// An image archive cannot be read as the layers of one image.
    #[cfg(feature = "layers")]
    #[error("{}: {fault}", path.display())]
    Layers {
        /// The archive.
        path: PathBuf,
        /// The cause.
        fault: crate::LayersFault,
    },
    /// The images have more compressed files than the header of a patch can list. A patch of a lower level does not
    /// look into them.
    #[error("the patch that is made: too many compressed files; make one that does not look into them")]
    TooManyMembers,
    /// A request that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The time that was allowed for the flow has passed.
    #[error("the time allowed for this run, {} s, is over", .allowed.as_secs_f32())]
    TimeUp {
        /// The time that was allowed.
        allowed: Duration,
    },
    /// The system lets this process have no more threads.
    #[error(
        "no thread can be started ({0}); allow more processes and threads: ulimit -u, or the limit of the container"
    )]
    Threads(std::io::Error),
    /// A worker thread died.
    #[error("a worker thread stopped; this is a fault of regrow")]
    Worker,
    /// The caller refused a chunk, so the image was not read further. The caller knows the reason.
    #[error("the image was not read to its end, since a chunk of it was refused")]
    Refused,
}

/// The part of an image that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// The image has no bytes.
    #[error("is empty")]
    Everything,
    /// It is a tar that ends within an entry.
    #[error("ends within {path}, {bytes} bytes of it are missing")]
    Entry {
        /// The entry's path.
        path: String,
        /// Bytes of it that are missing, its padding included.
        bytes: u64,
    },
    /// It is a tar that ends within an entry's header.
    #[error("ends within the header after {path}")]
    Header {
        /// The path of the entry before it.
        path: String,
    },
    /// It is a compressed file that ends early.
    #[error("is a {format} file that ends early")]
    Stream {
        /// The compression format.
        format: &'static str,
    },
    /// It is a compressed file that holds no bytes.
    #[error("is a {format} file that holds nothing")]
    Contents {
        /// The compression format.
        format: &'static str,
    },
}

/// The reason why the storage of an engine, or a layer in it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageFault {
    /// The folder is no storage of this kind.
    #[error("is no {0} storage")]
    OtherKind(&'static str),
    /// A file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// A file says something that no engine writes.
    #[error("is damaged")]
    Malformed,
    /// A file is larger than the files of its kind are.
    #[error("is larger than regrow reads it")]
    TooLarge,
    /// A layer is not the one that the storage says, or not all of it is there.
    #[error("holds another layer than the storage says, or a part of it alone")]
    OtherLayer,
}

impl StorageFault {
    /// The fault of a compressed file that cannot be read further.
    pub(crate) fn of_reading(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => Self::Malformed,
            _ => Self::Unreadable(error),
        }
    }
}

impl LocalError {
    /// A [`LocalError::Io`] for `path`, for use in `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// A [`LocalError::Layout`] for the skeleton of `image`.
    pub(crate) fn layout(image: &str) -> impl Fn(LayoutError) -> Self + use<> {
        let image = image.to_owned();
        move |source| Self::Layout { image: image.clone(), source }
    }
}
