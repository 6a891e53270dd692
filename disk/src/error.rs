//! The reasons why a disk image is not divided.

use std::io;

use crate::DiskKind;

/// The reason why a disk image is not divided. The image is then opaque, which loses nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The image cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The plain bytes of a compressed stream cannot be put aside.
    #[error("there is no room for what it holds: {0}")]
    Scratch(#[source] io::Error),
    /// It is a compressed file that cannot be seen through.
    #[error("it is {format}-compressed, {reason}")]
    Compressed {
        /// The format, as its tools name it.
        format: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// A feature of the format is not understood.
    #[error("it is {kind} with {feature}, which is not understood")]
    Unsupported {
        /// The format.
        kind: DiskKind,
        /// The feature, as its tools name it.
        feature: &'static str,
    },
    /// The tables contradict each other or the image's size.
    #[error("it is {kind} with tables that are damaged: {what}")]
    Damaged {
        /// The format.
        kind: DiskKind,
        /// The table, and what is wrong with it.
        what: &'static str,
    },
    /// The image is within the format, but beyond a limit.
    #[error("it is {kind} with more than {limit} {what}")]
    TooLarge {
        /// The format.
        kind: DiskKind,
        /// The limit.
        limit: u64,
        /// What there is too much of.
        what: &'static str,
    },
}
