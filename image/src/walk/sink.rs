//! The sink, to which the walker reports.

use std::borrow::Cow;
use std::ops::Range;

use super::PartEvent;
use crate::header::TarHeader;

/// A piece of contents, by the place of its bytes.
#[derive(Debug, Clone)]
pub enum Piece<'a> {
    /// The bytes are this range of those that were pushed last.
    InPushed(Range<usize>),
    /// The walker had held these bytes back.
    Held(&'a [u8]),
    /// Only the length of the contents is known ([`super::Walker::skip`]).
    Hole(u64),
}

impl Piece<'_> {
    /// The length of the piece in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::InPushed(range) => (range.end - range.start) as u64,
            Self::Held(bytes) => bytes.len() as u64,
            Self::Hole(len) => *len,
        }
    }
}

/// An entry of a tar: its header, and its path if an extension gives another one.
pub struct Entry<'a> {
    /// The header.
    pub header: TarHeader<'a>,
    pub(super) long_path: Option<Vec<u8>>,
    /// The declared size of the data in bytes.
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

    /// The path that a link leads to, unless it is so long that an extension gives it.
    #[must_use]
    pub fn link(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.header.link_name())
    }
}

/// The start of a file of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStart {
    /// The size in bytes by which the grouping rule decides. It is `None` for opaque files.
    pub size: Option<u64>,
}

/// A receiver of everything that the walker finds, in the image's order.
pub trait WalkSink {
    /// Receives bytes of the skeleton.
    fn literal(&mut self, bytes: &[u8]);
    /// Receives an entry, whose header has passed. The header's bytes also come as literals.
    fn entry(&mut self, _entry: &Entry<'_>) {}
    /// Begins a file of contents, which has at least one byte.
    fn begin_file(&mut self, start: FileStart);
    /// Receives bytes of the file.
    fn contents(&mut self, piece: Piece<'_>);
    /// Ends the file, perhaps early.
    fn end_file(&mut self);
    /// Begins a level, since the last entry's data is a tar itself, or is a coded file.
    fn begin_level(&mut self) {}
    /// Ends that level.
    fn end_level(&mut self) {}
    /// Receives news about a candidate for a part, at the place of the image where it happens.
    fn part(&mut self, _event: PartEvent) {}
}
