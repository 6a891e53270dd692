//! What the walker tells, and to whom.

use std::borrow::Cow;
use std::ops::Range;

use crate::header::Header;

/// Where bytes of contents are.
#[derive(Debug, Clone)]
pub enum Piece<'a> {
    /// A range of the bytes that were pushed last.
    InPushed(Range<usize>),
    /// Bytes that the walker had held back.
    Held(&'a [u8]),
    /// Contents that only their length is known of ([`super::Walker::skip`]).
    Hole(u64),
}

impl Piece<'_> {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::InPushed(range) => (range.end - range.start) as u64,
            Self::Held(bytes) => bytes.len() as u64,
            Self::Hole(len) => *len,
        }
    }
}

/// An entry of a tar: its header, and its path where an extension gives another one.
pub struct Entry<'a> {
    /// The header.
    pub header: Header<'a>,
    pub(super) long_path: Option<Vec<u8>>,
    /// Declared bytes of data.
    pub size: u64,
}

impl Entry<'_> {
    /// The path as the tar gives it.
    #[must_use]
    pub fn path(&self) -> Cow<'_, [u8]> {
        match &self.long_path {
            Some(path) => Cow::Borrowed(path),
            None => self.header.name(),
        }
    }
}

/// How a file of contents begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStart {
    /// The size that the grouping rule goes by, in bytes; `None` for opaque files.
    pub size: Option<u64>,
}

/// Is told what the walker finds, in the image's order.
pub trait WalkSink {
    /// Bytes of the skeleton.
    fn literal(&mut self, bytes: &[u8]);
    /// An entry's header was passed; its bytes come as literals too.
    fn entry(&mut self, _entry: &Entry<'_>) {}
    /// A file of contents begins; it has at least one byte.
    fn begin_file(&mut self, start: FileStart);
    /// Bytes of the file.
    fn contents(&mut self, piece: Piece<'_>);
    /// The file ends, perhaps early.
    fn end_file(&mut self);
    /// The last entry's data is a tar itself, or a coded file.
    fn begin_level(&mut self) {}
    /// That ends.
    fn end_level(&mut self) {}
}
