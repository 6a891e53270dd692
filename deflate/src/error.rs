//! The faults of streams, and of plain bytes and corrections that should become one.

/// Why a deflate stream could not be inflated or rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeflateError {
    /// The bytes are not a deflate stream.
    #[error("not a deflate stream")]
    Damaged,
    /// A checksum does not fit.
    #[error("the checksum of a gzip member does not fit")]
    Checksum,
    /// The stream ends early.
    #[error("the deflate stream is cut off")]
    Cut,
    /// Bytes follow the stream's last block.
    #[error("{0} bytes follow the deflate stream")]
    Trailing(usize),
    /// More plain bytes, or more bytes of the rebuilt stream, than were allowed.
    #[error("more than {0} bytes")]
    TooLong(usize),
    /// The corrections are malformed, or do not belong to these plain bytes.
    #[error("the corrections of a deflate stream do not fit its plain bytes")]
    Corrections,
}
