//! The lists of a patch: the codings of its target, which versions 3 and 5 have, the held parts, which version 1 does not
//! have, the joined files, which versions 4 and 5 have, and
//! the members of both sides.

use std::io;

use regrow_chunker::varint;

use crate::header::{MAX_LISTS_BYTES, PatchVersion};
use crate::held::{self, HeldPart};
use crate::joined::JoinedLists;
use crate::members::{ListsError, MemberLists};
use crate::space::FilesOfBase;

/// All lists of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lists {
    /// The codings of the target. There are none if it has no coded files, or if those of the index are used.
    pub(crate) codings: Vec<u8>,
    pub(crate) held: Vec<HeldPart>,
    pub(crate) joined: JoinedLists,
    pub(crate) members: MemberLists,
}

impl Lists {
    /// Encodes the lists, and appends to `ends` where the base's members end in the result, and then each member of
    /// the target; for joined files first. Empty lists take no bytes.
    pub(crate) fn encode(
        &self,
        version: PatchVersion,
        base: &FilesOfBase<'_>,
        ends: &mut Vec<u64>,
    ) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if *self == Self::default() {
            return Ok(out);
        }
        if !self.codings.is_empty() {
            varint::put(&mut out, self.codings.len() as u64);
            out.extend_from_slice(&self.codings);
        }
        match version {
            PatchVersion::V1 => {}
            PatchVersion::V2 => held::put(&mut out, &self.held),
        }
        if !self.joined.is_empty() {
            self.joined.encode(&mut out, base.base, ends)?;
        }
        self.members.encode(&mut out, base, ends)?;
        Ok(out)
    }

    /// The number of members in the longest list of members.
    pub(crate) fn most_members(&self) -> usize {
        let lists = [&self.members, &self.joined.members];
        lists.iter().map(|list| list.base.len().max(list.target.len())).max().unwrap_or(0)
    }

    /// Whether members of either side are streams of .xz files.
    pub(crate) fn has_xz(&self) -> bool {
        [&self.members, &self.joined.members].into_iter().any(MemberLists::has_xz)
    }

    /// Decodes the lists. The bytes may come from anybody, so everything is checked.
    pub(crate) fn decode(
        (version, has_codings, has_joined_files): (PatchVersion, bool, bool),
        mut input: &[u8],
        base: &FilesOfBase<'_>,
    ) -> Result<Self, ListsError> {
        if input.is_empty() && !has_codings {
            return Ok(Self::default());
        }
        debug_assert!(input.len() <= MAX_LISTS_BYTES as usize);
        let codings = if has_codings { take_codings(&mut input)?.to_vec() } else { Vec::new() };
        let held = match version {
            PatchVersion::V1 => Vec::new(),
            PatchVersion::V2 => held::take(&mut input)?,
        };
        let joined = match has_joined_files {
            true => JoinedLists::decode(&mut input, base.base)?,
            false => JoinedLists::default(),
        };
        let members = MemberLists::decode(&mut input, base)?;
        if input.is_empty() { Ok(Self { codings, held, joined, members }) } else { Err(ListsError::Malformed) }
    }
}

/// Takes the codings off the front of the lists of a patch that may have some.
pub(crate) fn take_codings<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], ListsError> {
    let bytes = varint::take(input).and_then(|bytes| usize::try_from(bytes).ok());
    let (codings, rest) = bytes.and_then(|bytes| input.split_at_checked(bytes)).ok_or(ListsError::Malformed)?;
    *input = rest;
    Ok(codings)
}
