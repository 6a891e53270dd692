//! Why bytes are not an index or a segment.

/// An error of decoding, without the file's name: the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The magic is not there.
    #[error("not a regrow index")]
    NotAnIndex,
    /// Another version of the format.
    #[error("index of format version {0}; this regrow reads version {version}", version = crate::VERSION)]
    Version(u32),
    /// The length or the checksum does not hold.
    #[error("index is damaged or cut off ({0})")]
    Damaged(&'static str),
    /// A kind that this version does not know.
    #[error("index has {what} of kind {kind}: made by a newer regrow")]
    UnknownKind {
        /// What has the kind.
        what: &'static str,
        /// The number.
        kind: u64,
    },
    /// A value that cannot be.
    #[error("index is malformed: {0}")]
    Malformed(&'static str),
    /// Chunks that are smaller than the reader takes.
    #[error(
        "chunks of {avg} bytes on average, {min} at least, are smaller than the {limit} on average that are taken; \
         --min-avg-size {} takes them", avg.min(&min.saturating_mul(4))
    )]
    SmallChunks {
        /// The smallest chunk size in bytes.
        min: u32,
        /// The average chunk size in bytes.
        avg: u32,
        /// The smallest average that is taken, in bytes.
        limit: u64,
    },
    /// An image that is larger than the reader takes.
    #[error("the image has {bytes} bytes, more than the {limit} that --max-size allows")]
    LargeImage {
        /// Its size, or the size of its plain image, whichever is more.
        bytes: u64,
        /// The largest that is taken, in bytes.
        limit: u64,
    },
    /// A segment's bytes do not fit its format.
    #[error("recipe segment is malformed: {0}")]
    Segment(&'static str),
}
