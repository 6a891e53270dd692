//! The lists of a patch: the held parts, which version 1 does not have, the joined files, which only version 4 has, and
//! the members of both sides.

use std::io;

use crate::header::{MAX_LISTS_BYTES, PatchVersion};
use crate::held::{self, HeldPart};
use crate::joined::JoinedLists;
use crate::members::{ListsError, MemberLists};
use crate::space::FilesOfBase;

/// All lists of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lists {
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

    /// Decodes the lists. The bytes may come from anybody, so everything is checked.
    pub(crate) fn decode(
        (version, has_joined_files): (PatchVersion, bool),
        mut input: &[u8],
        base: &FilesOfBase<'_>,
    ) -> Result<Self, ListsError> {
        if input.is_empty() {
            return Ok(Self::default());
        }
        debug_assert!(input.len() <= MAX_LISTS_BYTES as usize);
        let held = match version {
            PatchVersion::V1 => Vec::new(),
            PatchVersion::V2 => held::take(&mut input)?,
        };
        let joined = match has_joined_files {
            true => JoinedLists::decode(&mut input, base.base)?,
            false => JoinedLists::default(),
        };
        let members = MemberLists::decode(&mut input, base)?;
        if input.is_empty() { Ok(Self { held, joined, members }) } else { Err(ListsError::Malformed) }
    }
}
