//! Chooses the compressed streams whose plain bytes are matched. In the target these are the streams in files that
//! the base does not have unchanged, and in the base those in the files that these are matched against.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::Digest;
use regrow_deflate::{FoundStream, Trailer};
use regrow_local::{LocalError, Ordered, Pool};

use crate::members::{BaseMember, MAX_MEMBER_BYTES};
use crate::side::Side;
use crate::space::{MAX_EXPANSION, plain_limit};

/// The largest number of plain bytes of a member.
pub(crate) const MAX_PLAIN_BYTES: usize = MAX_MEMBER_BYTES as usize;
/// The largest number of plain bytes for one file of the target, and for the files of the base that it is matched
/// against.
pub(super) const MAX_FILE_PLAIN_BYTES: u64 = 64 << 20;
/// The number of bytes at a file's beginning that tell whether it may hold members.
const PREFIX_BYTES: u64 = 64;
const JOBS_IN_FLIGHT: usize = 8;

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
}

/// Tells by a file's first bytes whether it may hold members.
pub(super) fn may_hold_members(image: &Side, number: u32) -> Result<bool, LocalError> {
    let stored = image.stored(&image.file(number));
    let prefix = image.read(stored.start..stored.end.min(stored.start + PREFIX_BYTES));
    Ok(regrow_deflate::is_candidate(&prefix.map_err(LocalError::io("image"))?))
}

/// The members of the base that may be matched against, with their places in the base space.
#[derive(Default)]
pub(super) struct BaseMembers {
    members: Vec<PlacedMember>,
}

pub(super) struct PlacedMember {
    pub(super) member: BaseMember,
    /// The hash of the stored stream.
    pub(super) hash: Digest,
    /// The offset of its plain bytes in the base space of all members.
    pub(super) at: u64,
}

impl BaseMembers {
    /// Finds the members of these files.
    pub(super) fn find(base: &Arc<Side>, files: &BTreeSet<u32>, pool: &Pool) -> Result<Self, LocalError> {
        let mut found = Self::default();
        let mut at = base.stored_bytes();
        let end = at + plain_limit(base.contents_bytes());
        let mut take = |members: Vec<(BaseMember, Digest)>| {
            for (member, hash) in members {
                if at + member.plain_bytes <= end {
                    let next = at + member.plain_bytes;
                    found.members.push(PlacedMember { member, hash, at });
                    at = next;
                }
            }
        };
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        for &file in files {
            let base = Arc::clone(base);
            jobs.push(pool.submit(move || members_of(&base, file)));
            while let Some(members) = jobs.next_over_limit()? {
                take(members?);
            }
        }
        while let Some(members) = jobs.next()? {
            take(members?);
        }
        Ok(found)
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
}

fn members_of(base: &Side, number: u32) -> Result<Vec<(BaseMember, Digest)>, LocalError> {
    let bytes = base.read(base.stored(&base.file(number))).map_err(LocalError::io("image"))?;
    let known = |found: FoundStream| {
        let hash = Digest::of(&bytes[found.stored.clone()]);
        let stored = found.stored.start as u64..found.stored.end as u64;
        (BaseMember { file: u64::from(number), stored, plain_bytes: found.plain_bytes }, hash)
    };
    let found = regrow_deflate::find(&bytes, MAX_PLAIN_BYTES).into_iter();
    Ok(found.filter(|found| found.plain_bytes > 0).map(known).collect())
}

/// A file of the target, in the form that the target space has.
pub(super) struct Expanded {
    pub(super) bytes: Vec<u8>,
    pub(super) members: Vec<ExpandedMember>,
}

impl Expanded {
    /// Replaces the members of a file by their plain bytes, except for those that the base has unchanged.
    pub(super) fn of_file(number: u32, stored: Vec<u8>, is_in_base: impl Fn(&Digest) -> bool) -> Self {
        let mut expanded = Self { bytes: Vec::new(), members: Vec::new() };
        let (mut at, mut plain_bytes) = (0, 0);
        for found in regrow_deflate::find(&stored, MAX_PLAIN_BYTES) {
            let stream = &stored[found.stored.clone()];
            plain_bytes += found.plain_bytes;
            let is_small_for_it = found.plain_bytes > MAX_EXPANSION.saturating_mul(stream.len() as u64);
            if found.plain_bytes == 0 || is_small_for_it || is_in_base(&Digest::of(stream)) {
                continue;
            }
            if plain_bytes > MAX_FILE_PLAIN_BYTES {
                break;
            }
            let Some(apart) = regrow_deflate::take_apart(stream, MAX_PLAIN_BYTES) else { continue };
            expanded.bytes.extend_from_slice(&stored[at..found.stored.start]);
            expanded.bytes.extend_from_slice(&apart.plain);
            at = found.stored.end + found.trailer.len();
            expanded.members.push(ExpandedMember {
                file: u64::from(number),
                stored: found.stored.start as u64..found.stored.end as u64,
                trailer: found.trailer,
                plain_bytes: apart.plain.len() as u64,
                corrections: apart.corrections,
            });
        }
        if expanded.members.is_empty() {
            return Self { bytes: stored, members: Vec::new() };
        }
        expanded.bytes.extend_from_slice(&stored[at..]);
        expanded
    }
}
