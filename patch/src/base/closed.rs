//! Parts of a base that have not been read.

use std::io;

use regrow_chunker::{PartKind, UnitId};

use super::{LocalPart, Streams};

/// Opens a part when its bytes are needed.
pub trait OpenPart: Sync {
    /// The part, which is read through if that was not done before. `None` means that it cannot be read.
    fn open(&self) -> Option<LocalPart<'_>>;

    /// Whether the part was opened before.
    fn is_open(&self) -> bool;
}

/// A part of the base that has not been read. It is also a part of the target, so the index states its size.
#[derive(Clone, Copy)]
pub struct ClosedPart<'a> {
    /// The unit id that the part should have.
    pub id: UnitId,
    /// The kind of the part.
    pub kind: PartKind,
    /// The number of bytes of its skeleton.
    pub skeleton_bytes: u64,
    /// The number of bytes of its contents.
    pub contents_bytes: u64,
    /// The number of its files, if it is known. This is a hint, since whatever a patch yields is verified.
    pub files: Option<u64>,
    /// The way to open it.
    pub place: &'a dyn OpenPart,
}

impl<'a> ClosedPart<'a> {
    /// Opens the part, which must be the stated one.
    pub(super) fn streams(&self) -> io::Result<Streams<'a>> {
        let part = self.place.open().ok_or_else(|| unfit("a part of the base cannot be read"))?;
        let (streams, _) = part.streams();
        let bytes = [&streams.skeleton, &streams.contents].map(|range| range.end - range.start);
        if part.id == self.id && bytes == [self.skeleton_bytes, self.contents_bytes] {
            return Ok(streams);
        }
        Err(unfit("a part of the base is not the one that its name says"))
    }
}

fn unfit(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
