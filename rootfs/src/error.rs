//! One error type for layers that cannot be read, applied or written.

use std::io;

/// The number of bytes of a path that a message shows.
const SHOWN_PATH_BYTES: usize = 400;

/// An error of reading, applying or writing a layer. Each message is one line that names its object. The caller adds
/// the layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// The layer could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes are no tar.
    #[error("there is no tar header at byte {at}")]
    NoHeader {
        /// The place in the layer's plain bytes.
        at: u64,
    },
    /// The layer ends within an entry.
    #[error("ends early, at byte {at}")]
    EndsEarly {
        /// The place in the layer's plain bytes.
        at: u64,
    },
    /// An extension header is longer than engines read, or not of its form.
    #[error("the extension header at byte {at} is damaged or too long")]
    Extension {
        /// The place in the layer's plain bytes.
        at: u64,
    },
    /// A path leads out of the root file system.
    #[error("{path}: leads out of the image")]
    Outside {
        /// The path.
        path: String,
    },
    /// A path cannot exist on Linux.
    #[error("{path}: is a path that Linux does not allow")]
    Path {
        /// The path.
        path: String,
    },
    /// An entry lies below something that is no folder. Engines do different things with that.
    #[error("{path}: lies below {above}, which is no folder there; engines unpack that in different ways")]
    BelowNoFolder {
        /// The path.
        path: String,
        /// The part of the path that is no folder.
        above: String,
    },
    /// The type of an entry is one that engines do not unpack.
    #[error("{path}: has the type {flag:#04x}, which engines do not unpack")]
    Type {
        /// The path.
        path: String,
        /// The type flag.
        flag: u8,
    },
    /// A field holds a value that Linux does not allow.
    #[error("{path}: its {field} is not one that Linux allows")]
    Field {
        /// The path.
        path: String,
        /// The name of the field.
        field: &'static str,
    },
    /// The map of a sparse file is damaged.
    #[error("{path}: the map of a sparse file is damaged")]
    Sparse {
        /// The path.
        path: String,
    },
    /// A hard link leads to nothing, or to a folder.
    #[error("{path}: is a hard link to {target}, which is no file of the image")]
    Target {
        /// The path.
        path: String,
        /// The path that the link states.
        target: String,
    },
    /// The name of a whiteout names nothing, or something lies below a whiteout.
    #[error("{path}: is no whiteout that engines understand")]
    Whiteout {
        /// The path.
        path: String,
    },
    /// Everything at the root is hidden at once. Most engines pass that over.
    #[error("hides everything at the root at once, which only some engines do")]
    OpaqueRoot,
    /// The root is something other than a folder.
    #[error("the root of the image is no folder")]
    Root,
    /// The layers hold more than this crate reads.
    #[error("the layers have more than {most} {what}, which is more than regrow reads")]
    TooMany {
        /// The limit.
        most: u64,
        /// The kind of things that there are too many of.
        what: &'static str,
    },
}

impl RootfsError {
    /// Whether the layer is damaged. Otherwise it cannot be read, or is whole and holds something that this crate
    /// refuses.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::NoHeader { .. } | Self::EndsEarly { .. } | Self::Extension { .. } | Self::Sparse { .. } => true,
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
            ),
            _ => false,
        }
    }
}

/// A path as a message shows it.
pub(crate) fn shown(path: &[u8]) -> String {
    let cut = path.len() > SHOWN_PATH_BYTES;
    let mut shown = String::from_utf8_lossy(&path[..path.len().min(SHOWN_PATH_BYTES)]).into_owned();
    if cut {
        shown.push('…');
    }
    shown
}
