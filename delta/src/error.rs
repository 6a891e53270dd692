//! What can go wrong.

use std::io;

/// Why a patch yields no target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The base could not be read.
    #[error("the base cannot be read: {0}")]
    Base(io::Error),
    /// The patch could not be read.
    #[error("the patch cannot be read: {0}")]
    Input(io::Error),
    /// The patch could not be written.
    #[error("the patch cannot be written: {0}")]
    Output(io::Error),
    /// What is made of the patch could not be handed on.
    #[error("{0}")]
    Sink(io::Error),
    /// The patch says what cannot be.
    #[error("the patch is damaged: {0}")]
    Damaged(&'static str),
    /// LZMA's library refused: memory, for example.
    #[error("a stream's coder failed: {0}")]
    Coder(io::Error),
    /// A version that this crate does not know.
    #[error("patch of format version {0}; this reads version {version}", version = crate::VERSION)]
    Version(u32),
}
