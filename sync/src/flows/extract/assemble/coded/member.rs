//! Makes coded files from their plain bytes, as these come.

use std::ops::Range;

use regrow_index::{CodedStretch, Coding, MemberCoding};
use regrow_local::{CodedEncoder, DiskMaker, Pool, StreamMaker};

use crate::SyncError;

/// A function that takes the next bytes of the file.
pub(crate) type Put<'p> = &'p mut dyn FnMut(&[u8]) -> Result<(), SyncError>;

/// A gzip member, or a zstd frame, that is being made.
struct MemberMaker<'p, 'a> {
    maker: StreamMaker<'p>,
    /// The bytes of the stream that are still to come. A stream that is longer than the index says would overwrite the
    /// bytes behind it.
    left: u64,
    /// The error for a stream that is not as long as the index says.
    unfit: &'a dyn Fn() -> SyncError,
}

impl<'p, 'a> MemberMaker<'p, 'a> {
    /// Begins with the member's header. `kept` is a maker that has ended another member, if there is one.
    fn begin(
        pool: &'p Pool,
        kept: Option<StreamMaker<'p>>,
        (member, encoder): (&MemberCoding, CodedEncoder),
        unfit: &'a dyn Fn() -> SyncError,
        put: Put<'_>,
    ) -> Result<Self, SyncError> {
        put(&member.header)?;
        let maker = match kept {
            Some(mut kept) => {
                kept.restart(encoder, &member.corrections);
                kept
            }
            None => StreamMaker::new(pool, encoder, &member.corrections),
        };
        Ok(Self { maker, left: member.stream_bytes, unfit })
    }

    /// Takes in the next plain bytes.
    fn write(&mut self, plain: &[u8], put: Put<'_>) -> Result<(), SyncError> {
        let Self { maker, left, unfit } = self;
        maker.write(plain, &mut |bytes| counted(left, bytes, *unfit, put))
    }

    /// Ends the plain bytes, and so the member. The result is the maker, for other members.
    fn finish(self, put: Put<'_>) -> Result<StreamMaker<'p>, SyncError> {
        let Self { mut maker, mut left, unfit } = self;
        let trailer = maker.finish(&mut |bytes| counted(&mut left, bytes, unfit, put))?;
        if left > 0 {
            return Err(unfit());
        }
        trailer.map_or(Ok(()), |trailer| put(&trailer))?;
        Ok(maker)
    }
}

fn counted(left: &mut u64, bytes: &[u8], unfit: &dyn Fn() -> SyncError, put: Put<'_>) -> Result<(), SyncError> {
    *left = left.checked_sub(bytes.len() as u64).ok_or_else(unfit)?;
    put(bytes)
}

/// A coded file that is being made.
pub(crate) enum CodedFile<'a> {
    /// A gzip or zstd file.
    Members(Box<Members<'a, 'a>>),
    /// A disk image.
    Disk(Box<DiskMaker<'a>>),
}

impl<'a> CodedFile<'a> {
    /// Begins. `unfit` makes the error for bytes that do not fit the coding.
    pub(crate) fn new(pool: &'a Pool, coding: &'a CodedStretch, unfit: &'a dyn Fn() -> SyncError) -> Self {
        match coding {
            CodedStretch::File(coding) => {
                Self::Members(Box::new(Members::new(pool, (coding, 0..coding.members.len()), None, unfit)))
            }
            CodedStretch::Disk(disk) => Self::Disk(Box::new(DiskMaker::new(pool, &disk.pieces, None))),
        }
    }

    /// Takes in the next plain bytes.
    pub(crate) fn write(&mut self, plain: &[u8], put: Put<'_>) -> Result<(), SyncError> {
        match self {
            Self::Members(members) => members.write(plain, put),
            Self::Disk(disk) => disk.write(plain, put),
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self, put: Put<'_>) -> Result<(), SyncError> {
        match self {
            Self::Members(members) => members.finish(put).map(drop),
            Self::Disk(disk) => disk.finish(put),
        }
    }
}

/// A gzip or zstd file, or some consecutive members of one, that is being made member by member.
pub(crate) struct Members<'p, 'a> {
    pool: &'p Pool,
    coding: &'a Coding,
    unfit: &'a dyn Fn() -> SyncError,
    /// The members that have not begun.
    coming: Range<usize>,
    /// The present member, and the plain bytes that it still lacks.
    current: Option<(MemberMaker<'p, 'a>, u64)>,
    /// A maker that has ended a member.
    kept: Option<StreamMaker<'p>>,
}

impl<'p, 'a> Members<'p, 'a> {
    /// Begins with these members of a file, and no others are made. What follows the last one of the file ends it.
    /// `kept` is a maker that was of use before.
    pub(super) fn new(
        pool: &'p Pool,
        (coding, coming): (&'a Coding, Range<usize>),
        kept: Option<StreamMaker<'p>>,
        unfit: &'a dyn Fn() -> SyncError,
    ) -> Self {
        Self { pool, coding, unfit, coming, current: None, kept }
    }

    /// Takes in the next plain bytes.
    pub(super) fn write(&mut self, mut plain: &[u8], put: Put<'_>) -> Result<(), SyncError> {
        while !plain.is_empty() {
            let Some((member, left)) = &mut self.current else {
                if !self.begin(put)? {
                    return Err((self.unfit)());
                }
                continue;
            };
            let now = plain.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            member.write(&plain[..now], put)?;
            (*left, plain) = (*left - now as u64, &plain[now..]);
            self.end_if_done(put)?;
        }
        Ok(())
    }

    /// Ends the members. The result is a maker that is of use again.
    pub(super) fn finish(mut self, put: Put<'_>) -> Result<Option<StreamMaker<'p>>, SyncError> {
        // Members without plain bytes may be left.
        while self.current.is_none() && self.begin(put)? {
            self.end_if_done(put)?;
        }
        if self.current.is_some() {
            return Err((self.unfit)());
        }
        if self.coming.end == self.coding.members.len() {
            put(&self.coding.tail)?;
        }
        Ok(self.kept)
    }

    /// Begins the next member, if there is one.
    fn begin(&mut self, put: Put<'_>) -> Result<bool, SyncError> {
        let Some(member) = self.coming.next().and_then(|number| self.coding.members.get(number)) else {
            return Ok(false);
        };
        // Encoders were checked when the index was read.
        let encoder = CodedEncoder::of(self.coding.format, member).map_err(|_| (self.unfit)())?;
        let maker = MemberMaker::begin(self.pool, self.kept.take(), (member, encoder), self.unfit, put)?;
        self.current = Some((maker, member.plain_bytes));
        self.end_if_done(put).map(|()| true)
    }

    fn end_if_done(&mut self, put: Put<'_>) -> Result<(), SyncError> {
        if let Some((member, _)) = self.current.take_if(|(_, left)| *left == 0) {
            self.kept = Some(member.finish(put)?);
        }
        Ok(())
    }
}
