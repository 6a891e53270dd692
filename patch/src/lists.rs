//! The lists of a patch: the held parts, which version 1 does not have, and the members of both sides.

use std::io;

use crate::header::{MAX_LISTS_BYTES, PatchVersion};
use crate::held::{self, HeldPart};
use crate::members::{BaseFiles, ListsError, MemberLists};

/// All lists of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lists {
    pub(crate) held: Vec<HeldPart>,
    pub(crate) members: MemberLists,
}

impl Lists {
    /// Encodes the lists, and appends to `ends` where the base's members end in the result, and then each member of
    /// the target. Empty lists take no bytes.
    pub(crate) fn encode(
        &self,
        version: PatchVersion,
        base_files: &dyn BaseFiles,
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
        self.members.encode(&mut out, base_files, ends)?;
        Ok(out)
    }

    /// Decodes the lists. The bytes may come from anybody, so everything is checked.
    pub(crate) fn decode(
        version: PatchVersion,
        mut input: &[u8],
        base_files: &dyn BaseFiles,
    ) -> Result<Self, ListsError> {
        if input.is_empty() {
            return Ok(Self::default());
        }
        debug_assert!(input.len() <= MAX_LISTS_BYTES as usize);
        let held = match version {
            PatchVersion::V1 => Vec::new(),
            PatchVersion::V2 => held::take(&mut input)?,
        };
        let members = MemberLists::decode(&mut input, base_files)?;
        if input.is_empty() { Ok(Self { held, members }) } else { Err(ListsError::Malformed) }
    }
}
