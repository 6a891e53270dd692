//! The errors of coding and decoding.

use std::io;

/// A reason why coded ops yield no target, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The base could not be read.
    #[error("the base cannot be read: {0}")]
    Base(io::Error),
    /// The patch could not be read.
    #[error("the patch cannot be read: {0}")]
    Input(io::Error),
    /// The patch could not be written.
    #[error("the patch cannot be written: {0}")]
    Output(io::Error),
    /// The target could not be handed on.
    #[error("{0}")]
    Sink(io::Error),
    /// The patch says something impossible.
    #[error("the patch is damaged: {0}")]
    Damaged(&'static str),
    /// LZMA's library refused, for lack of memory for example.
    #[error("a stream's coder failed: {0}")]
    Coder(io::Error),
    /// The patch has a version that this crate does not know.
    #[error("patch of format version {0}; this reads version {version}", version = crate::VERSION)]
    Version(u32),
}
