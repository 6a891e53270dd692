//! The metadata of a file, and the kinds of files.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The bits of a mode that layers state: permissions, set-user-id, set-group-id, and the sticky bit.
pub(crate) const MODE_BITS: u64 = 0o7777;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds since 1970; negative before that.
    pub seconds: i64,
    /// Nanoseconds after that second, less than a thousand million.
    pub nanos: u32,
}

/// The extended attributes of a file by their names, such as `security.capability`.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything about a file but its kind and contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Permissions, set-user-id, set-group-id and the sticky bit.
    pub mode: u16,
    /// The number of the user who owns it.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// When its contents changed last.
    pub modified: Time,
    /// Its extended attributes, if it has any.
    pub xattrs: Option<Arc<Xattrs>>,
}

impl Metadata {
    /// The metadata of a folder that no layer describes.
    pub(crate) fn of_implied() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, modified: Time::default(), xattrs: None }
    }

    /// Whether everything but the time is the same.
    pub(crate) fn is_same_but_for_times(&self, other: &Self) -> bool {
        (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid) && self.xattrs == other.xattrs
    }
}

/// The hash of a file's contents, with the zeros of its holes: BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentsHash(pub(crate) [u8; 32]);

impl std::fmt::Debug for ContentsHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The place of bytes in the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the layer, as its reader was told.
    pub layer: u32,
    /// The offset in the layer's plain bytes.
    pub at: u64,
}

/// A run of a sparse file that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRun {
    /// The offset in the file.
    pub at: u64,
    /// The number of bytes.
    pub bytes: u64,
}

/// The contents of a file: what they are, and where they are stored.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The hash of the contents.
    pub hash: ContentsHash,
    /// The size of the file in bytes, holes included.
    pub bytes: u64,
    /// The place of the stored bytes.
    pub place: Place,
    /// The stored runs of a sparse file, in order, which lie one after the other at `place`. `None` for files without
    /// holes.
    pub runs: Option<Box<[DataRun]>>,
}

impl Contents {
    /// The number of bytes that are stored.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.runs.as_ref().map_or(self.bytes, |runs| runs.iter().map(|run| run.bytes).sum())
    }

    /// Whether both hold the same bytes, wherever they are stored.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.bytes, self.hash) == (other.bytes, other.hash)
    }
}

/// The number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

/// What is not a folder.
#[derive(Debug, Clone)]
pub enum Special {
    /// A file.
    File(Contents),
    /// A symbolic link with its target.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice(DeviceNumber),
    /// A block device.
    BlockDevice(DeviceNumber),
    /// A named pipe.
    Fifo,
}

impl Special {
    /// Whether both are of the same kind and hold the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one.is_same(other),
            (Self::Symlink(one), Self::Symlink(other)) => one == other,
            (Self::CharDevice(one), Self::CharDevice(other)) | (Self::BlockDevice(one), Self::BlockDevice(other)) => {
                one == other
            }
            (Self::Fifo, Self::Fifo) => true,
            _ => false,
        }
    }
}
