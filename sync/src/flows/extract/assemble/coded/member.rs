//! Makes coded files from their plain bytes, as these come.

use regrow_index::{CodedStretch, Coding, MemberCoding};
use regrow_local::{CodedEncoder, DiskMaker, Pool, StreamMaker};

use crate::SyncError;

/// A function that takes the next bytes of the file.
pub(crate) type Put<'p> = &'p mut dyn FnMut(&[u8]) -> Result<(), SyncError>;

/// A gzip member, or a zstd frame, that is being made.
pub(crate) struct MemberMaker<'a> {
    maker: StreamMaker<'a>,
    /// The bytes of the stream that are still to come. A stream that is longer than the index says would overwrite the
    /// bytes behind it.
    left: u64,
    /// The error for a stream that is not as long as the index says.
    unfit: &'a dyn Fn() -> SyncError,
}

impl<'a> MemberMaker<'a> {
    /// Begins with the member's header.
    pub(super) fn begin(
        pool: &'a Pool,
        (member, encoder): (&MemberCoding, CodedEncoder),
        unfit: &'a dyn Fn() -> SyncError,
        put: Put<'_>,
    ) -> Result<Self, SyncError> {
        put(&member.header)?;
        Ok(Self { maker: StreamMaker::new(pool, encoder, &member.corrections), left: member.stream_bytes, unfit })
    }

    /// Takes in the next plain bytes.
    pub(super) fn write(&mut self, plain: &[u8], put: Put<'_>) -> Result<(), SyncError> {
        let Self { maker, left, unfit } = self;
        maker.write(plain, &mut |bytes| counted(left, bytes, *unfit, put))
    }

    /// Ends the plain bytes, and so the member.
    pub(super) fn finish(self, put: Put<'_>) -> Result<(), SyncError> {
        let Self { maker, mut left, unfit } = self;
        let trailer = maker.finish(&mut |bytes| counted(&mut left, bytes, unfit, put))?;
        if left > 0 {
            return Err(unfit());
        }
        trailer.map_or(Ok(()), |trailer| put(&trailer))
    }
}

fn counted(left: &mut u64, bytes: &[u8], unfit: &dyn Fn() -> SyncError, put: Put<'_>) -> Result<(), SyncError> {
    *left = left.checked_sub(bytes.len() as u64).ok_or_else(unfit)?;
    put(bytes)
}

/// A coded file that is being made.
pub(crate) enum CodedFile<'a> {
    /// A gzip or zstd file.
    Members(Members<'a>),
    /// A disk image.
    Disk(DiskMaker<'a>),
}

impl<'a> CodedFile<'a> {
    /// Begins. `unfit` makes the error for bytes that do not fit the coding.
    pub(crate) fn new(pool: &'a Pool, coding: &'a CodedStretch, unfit: &'a dyn Fn() -> SyncError) -> Self {
        match coding {
            CodedStretch::File(coding) => Self::Members(Members { pool, coding, unfit, begun: 0, current: None }),
            CodedStretch::Disk(disk) => Self::Disk(DiskMaker::new(pool, &disk.pieces)),
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
            Self::Members(members) => members.finish(put),
            Self::Disk(disk) => disk.finish(put),
        }
    }
}

/// A gzip or zstd file that is being made, member by member.
pub(crate) struct Members<'a> {
    pool: &'a Pool,
    coding: &'a Coding,
    unfit: &'a dyn Fn() -> SyncError,
    /// The number of members that have begun.
    begun: usize,
    /// The present member, and the plain bytes that it still lacks.
    current: Option<(MemberMaker<'a>, u64)>,
}

impl Members<'_> {
    fn write(&mut self, mut plain: &[u8], put: Put<'_>) -> Result<(), SyncError> {
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

    fn finish(mut self, put: Put<'_>) -> Result<(), SyncError> {
        // Members without plain bytes may be left.
        while self.current.is_none() && self.begin(put)? {
            self.end_if_done(put)?;
        }
        match self.current {
            None => put(&self.coding.tail),
            Some(_) => Err((self.unfit)()),
        }
    }

    /// Begins the next member, if there is one.
    fn begin(&mut self, put: Put<'_>) -> Result<bool, SyncError> {
        let Some(member) = self.coding.members.get(self.begun) else { return Ok(false) };
        // Encoders were checked when the index was read.
        let encoder = CodedEncoder::of(self.coding.format, member).map_err(|_| (self.unfit)())?;
        self.begun += 1;
        self.current = Some((MemberMaker::begin(self.pool, (member, encoder), self.unfit, put)?, member.plain_bytes));
        self.end_if_done(put).map(|()| true)
    }

    fn end_if_done(&mut self, put: Put<'_>) -> Result<(), SyncError> {
        match self.current.take_if(|(_, left)| *left == 0) {
            Some((member, _)) => member.finish(put),
            None => Ok(()),
        }
    }
}
