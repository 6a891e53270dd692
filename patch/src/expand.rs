//! Chooses the compressed streams whose plain bytes are matched. In the target these are the streams in files that
//! the base does not have unchanged, and in the base those in the files that these are matched against.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::Digest;
use regrow_deflate::{FoundStream, Trailer};
use regrow_disk::{StreamCodec, XzStream};
use regrow_local::{LocalError, Ordered, Pool};

use crate::members::{BaseMember, MAX_MEMBER_BYTES, MAX_MEMBERS};
use crate::side::Side;
use crate::space::{MAX_EXPANSION, plain_limit};
use crate::unit::WHOLE_BYTES;
use crate::xz::{self, XzForm};

/// The largest number of plain bytes of a deflate stream.
pub(crate) const MAX_PLAIN_BYTES: usize = MAX_MEMBER_BYTES as usize;
/// The largest number of plain bytes for one file of the target, and for the files of the base that it is matched
/// against.
pub(super) const MAX_FILE_PLAIN_BYTES: u64 = 64 << 20;
/// The number of bytes at a file's beginning that tell whether it may hold members.
pub(super) const PREFIX_BYTES: u64 = xz::PREFIX_BYTES;
/// The largest number of members of the base that are known.
const MAX_BASE_MEMBERS: usize = MAX_MEMBERS / 2;
/// The size of the windows in which members of a large file are looked for, and how much of a member may lie beyond one.
const WINDOW_BYTES: u64 = 8 << 20;
const BEYOND_BYTES: u64 = 4 << 20;
const JOBS_IN_FLIGHT: usize = 8;
/// Any codec of .xz files, since they have a limit in common.
const XZ: StreamCodec = StreamCodec::Lzma2 { dictionary_bytes: 0, filter: 0 };

/// The members of a base that are part of the base space.
#[derive(Debug, Default)]
pub(crate) struct UsedMembers {
    /// Those in files, which are counted as in the base.
    pub(crate) members: Vec<BaseMember>,
    /// Those in joined files, which are counted for themselves.
    pub(crate) joined: Vec<BaseMember>,
}

/// A compressed stream in a file of the target. The target space has its plain bytes in place of the stream and its
/// trailer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpandedMember {
    /// The position of the file in the target.
    pub(crate) file: u64,
    /// The range of the stream in the file, without its trailer.
    pub(crate) stored: Range<u64>,
    pub(crate) trailer: Trailer,
    pub(crate) plain_bytes: u64,
    /// The corrections with which the stream is rebuilt from its plain bytes.
    pub(crate) corrections: Vec<u8>,
    /// How it is made if it is the stream of an .xz file, which then has no corrections, and no trailer but its end.
    pub(crate) xz: Option<XzForm>,
}

impl ExpandedMember {
    /// The number of its stored bytes, trailer included.
    pub(crate) fn bytes(&self) -> u64 {
        let trailer = self.xz.map_or(self.trailer.len() as u64, |xz| xz.end_bytes(self.plain_bytes));
        self.stored.end - self.stored.start + trailer
    }
}

/// A compressed stream in a file's bytes.
struct Found {
    stored: Range<usize>,
    plain_bytes: u64,
    form: FoundForm,
}

enum FoundForm {
    Deflate(Trailer),
    Xz(Box<XzStream>),
}

impl From<FoundStream> for Found {
    fn from(FoundStream { stored, trailer, plain_bytes }: FoundStream) -> Self {
        Self { stored, plain_bytes, form: FoundForm::Deflate(trailer) }
    }
}

impl From<XzStream> for Found {
    fn from(found: XzStream) -> Self {
        Self {
            stored: found.stored.clone(),
            plain_bytes: found.plain.len() as u64,
            form: FoundForm::Xz(Box::new(found)),
        }
    }
}

impl Found {
    fn codec(&self) -> StreamCodec {
        match &self.form {
            FoundForm::Deflate(_) => StreamCodec::Deflate,
            FoundForm::Xz(found) => found.codec,
        }
    }

    /// The member that this stream is in a file of the target, in which it begins at `at`, and its plain bytes. There is none
    /// if it cannot be made again.
    fn member(self, file: u32, at: u64, stream: &[u8]) -> Option<(ExpandedMember, Vec<u8>)> {
        let (trailer, corrections, xz, plain) = match self.form {
            FoundForm::Deflate(trailer) => {
                let apart = regrow_deflate::take_apart(stream, MAX_PLAIN_BYTES)?;
                (trailer, apart.corrections, None, apart.plain)
            }
            FoundForm::Xz(found) => (Trailer::None, Vec::new(), Some(XzForm::of(&found, stream)?), found.plain),
        };
        let stored = at..at + stream.len() as u64;
        let plain_bytes = plain.len() as u64;
        Some((ExpandedMember { file: file.into(), stored, trailer, plain_bytes, corrections, xz }, plain))
    }
}

/// Tells by a file's first bytes whether it has a format that holds members.
pub(super) fn may_hold_members(image: &Side, number: u32) -> Result<bool, LocalError> {
    let stored = image.stored(&image.file(number));
    let prefix = image.read(stored.start..stored.end.min(stored.start + PREFIX_BYTES));
    Ok(holds_members(&prefix.map_err(LocalError::io("image"))?))
}

/// Whether a file with these first bytes has such a format.
pub(super) fn holds_members(prefix: &[u8]) -> bool {
    regrow_deflate::is_candidate(prefix) || xz::is_candidate(prefix)
}

/// The members of the base that may be matched against, with their places in the base space.
#[derive(Default)]
pub(super) struct BaseMembers {
    members: Vec<PlacedMember>,
    hashes: HashSet<Digest>,
}

pub(super) struct PlacedMember {
    pub(super) member: BaseMember,
    /// The hash of the stored stream.
    pub(super) hash: Digest,
    /// The offset of its stream in the stored space.
    pub(super) stored_at: u64,
    /// The offset of its plain bytes in the base space of all members.
    pub(super) at: u64,
}

impl PlacedMember {
    /// The range of its stream in the stored space.
    pub(super) fn stored(&self) -> Range<u64> {
        self.stored_at..self.stored_at + (self.member.stored.end - self.member.stored.start)
    }
}

impl BaseMembers {
    /// Finds the members of these files. In files without a format that holds members, they may lie anywhere.
    pub(super) fn find(base: &Arc<Side>, files: &BTreeSet<u32>, pool: &Pool) -> Result<Self, LocalError> {
        let mut found = Self::default();
        let mut at = base.stored_bytes();
        let limit = |codec| plain_limit(base.contents_bytes(), codec);
        let (mut left, mut xz_left) = (limit(StreamCodec::Deflate), limit(XZ));
        let mut stored_end = 0;
        let mut take = |members: Vec<Known>| {
            for Known { member, hash, stored_at } in members {
                // What lies in another member was found in the window behind that one's.
                let left = if member.codec == StreamCodec::Deflate { &mut left } else { &mut xz_left };
                let fits = member.plain_bytes <= *left && found.members.len() < MAX_BASE_MEMBERS;
                if fits && stored_at >= stored_end {
                    *left -= member.plain_bytes;
                    stored_end = stored_at + (member.stored.end - member.stored.start);
                    let next = at + member.plain_bytes;
                    found.members.push(PlacedMember { member, hash, stored_at, at });
                    at = next;
                }
            }
        };
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        for (file, window) in files.iter().flat_map(|&file| windows(base, file)) {
            let base = Arc::clone(base);
            jobs.push(pool.submit(move || members_of(&base, file, window)));
            while let Some(members) = jobs.next_over_limit()? {
                take(members?);
            }
        }
        while let Some(members) = jobs.next()? {
            take(members?);
        }
        found.hashes = found.members.iter().map(|known| known.hash).collect();
        Ok(found)
    }

    /// Whether some member's stream has this hash.
    pub(super) fn has(&self, stream: &Digest) -> bool {
        self.hashes.contains(stream)
    }

    /// All members, in the order of file and offset.
    pub(super) fn all(&self) -> &[PlacedMember] {
        &self.members
    }

    /// The members of one file.
    pub(super) fn of_file(&self, file: u32) -> &[PlacedMember] {
        let start = self.members.partition_point(|known| known.member.file < u64::from(file));
        let end = self.members.partition_point(|known| known.member.file <= u64::from(file));
        &self.members[start..end]
    }

    /// The members whose streams lie in a range of the stored space.
    pub(super) fn within(&self, stored: &Range<u64>) -> &[PlacedMember] {
        let start = self.members.partition_point(|known| known.stored_at < stored.start);
        let end = self.members.partition_point(|known| known.stored().end <= stored.end);
        &self.members[start..end.max(start)]
    }
}

/// A member of the base that was found.
struct Known {
    member: BaseMember,
    hash: Digest,
    stored_at: u64,
}

/// The ranges of a file of the base in which members begin that are looked for together. A file that is not too large is one.
fn windows(base: &Side, file: u32) -> impl Iterator<Item = (u32, Range<u64>)> + use<> {
    let bytes = base.file(file).bytes();
    let step = if bytes <= WHOLE_BYTES { bytes.max(1) } else { WINDOW_BYTES };
    (0..bytes).step_by(step as usize).map(move |at| (file, at..bytes.min(at + step)))
}

fn members_of(base: &Side, number: u32, window: Range<u64>) -> Result<Vec<Known>, LocalError> {
    let stored = base.stored(&base.file(number));
    let start = stored.start + window.start;
    let end = stored.end.min(stored.start + window.end + BEYOND_BYTES);
    let bytes = base.read(start..end).map_err(LocalError::io("image"))?;
    let known = |found: Found| {
        let hash = Digest::of(&bytes[found.stored.clone()]);
        let stored = window.start + found.stored.start as u64..window.start + found.stored.end as u64;
        let stored_at = start + found.stored.start as u64;
        Known {
            member: BaseMember {
                file: u64::from(number),
                stored,
                plain_bytes: found.plain_bytes,
                codec: found.codec(),
            },
            hash,
            stored_at,
        }
    };
    let is_whole = end - start == stored.end - stored.start;
    let found = if is_whole { streams_of(&bytes) } else { anywhere(&bytes) };
    let is_within =
        |found: &Found| found.plain_bytes > 0 && start + (found.stored.start as u64) < stored.start + window.end;
    Ok(found.into_iter().filter(is_within).map(known).collect())
}

/// The streams of a whole file, by its format or, if that holds none, anywhere.
fn streams_of(file: &[u8]) -> Vec<Found> {
    if xz::is_candidate(file) {
        xz::find(file).into_iter().map(Found::from).collect()
    } else if regrow_deflate::is_candidate(file) {
        regrow_deflate::find(file, MAX_PLAIN_BYTES).into_iter().map(Found::from).collect()
    } else {
        anywhere(file)
    }
}

/// The streams of a file, or of a part of one, without a format that holds any.
fn anywhere(bytes: &[u8]) -> Vec<Found> {
    regrow_deflate::find_anywhere(bytes, MAX_PLAIN_BYTES).into_iter().map(Found::from).collect()
}

/// The number of streams in a range of a file without a format that holds any.
pub(super) fn streams_anywhere(image: &Side, stored: Range<u64>) -> Result<usize, LocalError> {
    let bytes = image.read(stored).map_err(LocalError::io("image"))?;
    Ok(regrow_deflate::find_anywhere(&bytes, MAX_PLAIN_BYTES).len())
}

/// The place in the target of bytes whose members are seen through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: u32,
    /// The offset of the bytes in the file.
    pub(super) at: u64,
    /// Whether they are all of the file.
    pub(super) is_whole: bool,
}

/// A file of the target, or a piece of one, in the form that the target space has.
pub(super) struct Expanded {
    pub(super) bytes: Vec<u8>,
    pub(super) members: Vec<ExpandedMember>,
}

impl Expanded {
    /// Replaces the members of a file, or of a piece of it, by their plain bytes, except for those that the base has
    /// unchanged.
    pub(super) fn of(
        Place { file, at: from, is_whole }: Place,
        stored: Vec<u8>,
        is_in_base: impl Fn(&Digest) -> bool,
    ) -> Self {
        let mut expanded = Self { bytes: Vec::new(), members: Vec::new() };
        let (mut at, mut plain_bytes) = (0, 0);
        let streams = if is_whole { streams_of(&stored) } else { anywhere(&stored) };
        for found in streams {
            let stream = &stored[found.stored.clone()];
            plain_bytes += found.plain_bytes;
            let is_small_for_it = found.plain_bytes > MAX_EXPANSION.saturating_mul(stream.len() as u64);
            if found.plain_bytes == 0 || is_small_for_it || is_in_base(&Digest::of(stream)) {
                continue;
            }
            if plain_bytes > MAX_FILE_PLAIN_BYTES {
                break;
            }
            let start = found.stored.start;
            let Some((member, plain)) = found.member(file, from + start as u64, stream) else { continue };
            expanded.bytes.extend_from_slice(&stored[at..start]);
            expanded.bytes.extend_from_slice(&plain);
            at = start + member.bytes() as usize;
            expanded.members.push(member);
        }
        if expanded.members.is_empty() {
            return Self { bytes: stored, members: Vec::new() };
        }
        expanded.bytes.extend_from_slice(&stored[at..]);
        expanded
    }
}
