//! The faults of streams.

/// Why a zstd stream could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZstdError {
    /// The bytes are not a zstd stream.
    #[error("not a zstd stream")]
    Damaged,
    /// The checksum of a frame does not fit.
    #[error("the checksum of a zstd frame does not fit")]
    Checksum,
    /// The stream ends early.
    #[error("the zstd stream is cut off")]
    Cut,
    /// Bytes that are no frame follow the last one.
    #[error("{0} bytes follow the last zstd frame")]
    Trailing(usize),
    /// A frame needs a dictionary, which is not in the stream.
    #[error("a zstd frame needs dictionary {0}")]
    Dictionary(u32),
    /// A frame needs a window that is too large.
    #[error("a zstd frame needs a window of {0} bytes")]
    Window(u64),
    /// Corrections are malformed, or they belong to other bytes.
    #[error("corrections of a zstd frame do not fit")]
    Corrections,
    /// There is no memory for a decoder.
    #[error("no memory for a zstd decoder")]
    Memory,
}
