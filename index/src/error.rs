//! The reasons why bytes are not an index or a segment.

/// A decoding error. It does not name the file: the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The bytes do not begin with the magic.
    #[error("not a regrow index")]
    NotAnIndex,
    /// The index has another version of the format.
    #[error("index of format version {0}; this regrow reads versions {from} and {to}", from = crate::VERSION_1, to = crate::VERSION_2)]
    Version(u32),
    /// The length or the checksum is wrong.
    #[error("index is damaged or cut off ({0})")]
    Damaged(&'static str),
    /// The index has a kind that this version does not know.
    #[error("index has {what} of kind {kind}: made by a newer regrow")]
    UnknownKind {
        /// The thing that has the kind.
        what: &'static str,
        /// The kind's number.
        kind: u64,
    },
    /// The index has something that the format allows, but that this version does not use.
    #[error("index has {0}: made by a newer regrow")]
    Unsupported(&'static str),
    /// A value is impossible.
    #[error("index is malformed: {0}")]
    Malformed(&'static str),
    /// The chunks are smaller than the reader accepts.
    #[error("chunks of {avg} bytes on average, {min} at least, are smaller than the {limit} on average that are taken")]
    SmallChunks {
        /// The smallest chunk size in bytes.
        min: u32,
        /// The average chunk size in bytes.
        avg: u32,
        /// The smallest average that the reader accepts, in bytes.
        limit: u64,
        /// The limit that would accept these chunks, in bytes.
        needed: u64,
    },
    /// The image is larger than the reader accepts.
    #[error("the image has {bytes} bytes, more than the limit of {limit}")]
    LargeImage {
        /// The size in bytes of the image or of its plain image, whichever is larger.
        bytes: u64,
        /// The largest size that the reader accepts, in bytes.
        limit: u64,
    },
    /// The bytes of a segment do not fit its format.
    #[error("recipe segment is malformed: {0}")]
    Segment(&'static str),
}
