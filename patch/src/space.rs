//! The base space, against which a target is coded. FORMAT.md, section 10.

use std::io;
use std::ops::Range;
use std::path::Path;

use regrow_delta::Base;
use regrow_disk::StreamCodec;
use regrow_image::StreamKind;
use regrow_local::{LocalError, Spool};

use crate::base::PatchBase;
use crate::joined::JoinedBase;
use crate::members::{BaseFiles, BaseMember};
use crate::ranges::Ranges;
use crate::xz::limits;

/// The number of plain bytes of all base members together that is always allowed.
const MIN_PLAIN_LIMIT: u64 = 64 << 20;

/// The base space of a patch.
pub(crate) struct BaseSpace<'a> {
    base: &'a PatchBase<'a>,
    /// What is left of the base's streams after the pieces of joined files.
    skeleton: Ranges,
    contents: Ranges,
    joined: JoinedBase<'a>,
    /// The plain bytes of members, and behind them those of joined files' members.
    members: Spool,
    members_bytes: u64,
}

/// The number of plain bytes of base members that a patch may ask for, if the base has this many bytes of contents: of
/// deflate streams, and of all others.
pub(crate) fn plain_limit(contents_bytes: u64, codec: StreamCodec) -> u64 {
    let share = if codec == StreamCodec::Deflate { 4 } else { 8 };
    MIN_PLAIN_LIMIT.max(contents_bytes.saturating_mul(share))
}

/// The largest number of plain bytes for each stored byte of a target member.
pub(crate) const MAX_EXPANSION: u64 = 64;

/// The largest number of bytes of a target's expanded contents, if its contents have this many.
pub(crate) fn expanded_limit(contents_bytes: u64) -> u64 {
    MIN_PLAIN_LIMIT.max(contents_bytes.saturating_mul(MAX_EXPANSION))
}

fn unfit(reason: &'static str) -> LocalError {
    LocalError::io("the base of a patch")(io::Error::new(io::ErrorKind::InvalidData, reason))
}

impl<'a> BaseSpace<'a> {
    /// Inflates the members, which must ascend by file. If they are too large for memory, they go to a file in
    /// `scratch`.
    pub(crate) fn new(
        base: &'a PatchBase<'a>,
        members: &[BaseMember],
        joined: JoinedBase<'a>,
        scratch: &Path,
    ) -> Result<Self, LocalError> {
        let contents_bytes = base.contents_bytes();
        let all = || members.iter().chain(joined.members);
        let mut members_bytes = 0u64;
        for is_deflate in [true, false] {
            let of_codec = || all().filter(|member| (member.codec == StreamCodec::Deflate) == is_deflate);
            let sum = of_codec().try_fold(0u64, |sum, member| sum.checked_add(member.plain_bytes));
            let limit = of_codec().next().map_or(0, |member| plain_limit(contents_bytes, member.codec));
            let sum = sum.filter(|&sum| sum <= limit).ok_or_else(|| unfit("more plain bytes than are allowed"))?;
            members_bytes = members_bytes.saturating_add(sum);
        }
        // Without this check, a small patch could have the same bytes read again and again without any result.
        let stored =
            all().try_fold(0u64, |sum, member| sum.checked_add(member.stored.end.saturating_sub(member.stored.start)));
        // Joined files may have bytes of the skeleton.
        let most = if joined.members.is_empty() { 0 } else { base.skeleton_bytes() }.saturating_add(contents_bytes);
        if stored.is_none_or(|sum| sum > most) {
            return Err(unfit("members that overlap"));
        }
        let spool = Spool::new(members_bytes, scratch)?;
        let rest = |stream, bytes| {
            let places = joined.files.places(stream, bytes).map_err(|_| unfit("joined files that overlap"))?;
            Ok::<_, LocalError>(Ranges::without(bytes, places.iter().map(|(range, _)| range.clone())))
        };
        let skeleton = rest(StreamKind::Skeleton, base.skeleton_bytes())?;
        let contents = rest(StreamKind::Contents, contents_bytes)?;
        let space = Self { base, skeleton, contents, joined, members: spool, members_bytes };
        space.fill(members)?;
        Ok(space)
    }

    fn fill(&self, members: &[BaseMember]) -> Result<(), LocalError> {
        let mut at = 0;
        let mut add = |plain: Vec<u8>| {
            self.members.write(at, &plain)?;
            at += plain.len() as u64;
            Ok::<_, LocalError>(())
        };
        for member in members {
            let file = self.base.file(member.file).map_err(LocalError::io("the base of a patch"))?;
            let file = file.ok_or_else(|| unfit("a member of a file that does not exist"))?;
            add(self.inflate(&file, member, |at, out| self.base.read(StreamKind::Contents, at, out))?)?;
        }
        for member in self.joined.members {
            let file = self.joined.files.file(member.file);
            let file = file.ok_or_else(|| unfit("a member of a joined file that does not exist"))?;
            add(self.inflate(&file, member, |at, out| self.read_joined(at, out))?)?;
        }
        Ok(())
    }

    fn read_joined(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.joined.files.read(at, out, |stream, at, out| self.base.read(stream, at, out))
    }

    /// The plain bytes of a member. `read` reads the bytes in which the file has its range.
    fn inflate(
        &self,
        file: &Range<u64>,
        member: &BaseMember,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<Vec<u8>, LocalError> {
        let stored_bytes = member.stored.end.checked_sub(member.stored.start);
        let stored_bytes = stored_bytes.filter(|_| member.stored.end <= file.end - file.start);
        let stored_bytes = stored_bytes.ok_or_else(|| unfit("a member beyond its file's end"))?;
        // Deflate adds at most 5 bytes to 65,535 plain bytes, and LZMA2 3. A longer stream is refused.
        let (most_plain, most_stored) = limits(member.codec);
        if member.plain_bytes > most_plain || stored_bytes > most_stored {
            return Err(unfit("a member that is too large"));
        }
        let mut stored = vec![0; stored_bytes as usize];
        read(file.start + member.stored.start, &mut stored).map_err(LocalError::io("the base of a patch"))?;
        match member.codec.decode(&stored, member.plain_bytes as usize) {
            Some(plain) if plain.len() as u64 == member.plain_bytes => Ok(plain),
            _ => Err(unfit("a member differs from the published one")),
        }
    }
}

impl Base for BaseSpace<'_> {
    fn len(&self) -> u64 {
        // That the sum does not overflow follows from the sizes of streams, but not from those of holes.
        let of_base = self.skeleton.bytes() + self.contents.bytes() + self.members_bytes;
        of_base.saturating_add(self.joined.files.bytes())
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(at, out, |stream, at, out| self.base.read(stream, at, out))
    }

    fn look_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(at, out, |stream, at, out| self.base.look(stream, at, out))
    }
}

impl BaseSpace<'_> {
    /// Fills `out` with the bytes from `at` on. `read` reads those of the base's streams.
    fn read(
        &self,
        mut at: u64,
        mut out: &mut [u8],
        read: impl Fn(StreamKind, u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let joined = self.joined.files;
        let parts = [self.skeleton.bytes(), self.contents.bytes(), joined.bytes(), self.members_bytes];
        for (part, len) in parts.into_iter().enumerate() {
            if at < len && !out.is_empty() {
                let now = out.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
                let (piece, rest) = std::mem::take(&mut out).split_at_mut(now);
                match part {
                    0 => self.skeleton.read(at, piece, |at, out| read(StreamKind::Skeleton, at, out))?,
                    1 => self.contents.read(at, piece, |at, out| read(StreamKind::Contents, at, out))?,
                    2 => joined.read(at, piece, &read)?,
                    _ => self.members.read(at, piece)?,
                }
                (out, at) = (rest, at + now as u64);
            }
            at = at.saturating_sub(len);
        }
        if out.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The files of a base, for reading member lists.
pub(crate) struct FilesOfBase<'a> {
    pub(crate) base: &'a PatchBase<'a>,
}

impl<'a> FilesOfBase<'a> {
    pub(crate) fn new(base: &'a PatchBase<'a>) -> Self {
        Self { base }
    }
}

impl BaseFiles for FilesOfBase<'_> {
    fn file_bytes(&self, file: u64) -> io::Result<Option<u64>> {
        Ok(self.base.file(file)?.map(|range| range.end - range.start))
    }

    fn last_number(&self, file: u64) -> io::Result<u32> {
        let range = self.base.file(file)?.filter(|range| range.end - range.start >= 4);
        let range = range.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = [0; 4];
        self.base.read(StreamKind::Contents, range.end - 4, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}
