//! Indexes of version 2: a head that is complete in itself, and blocks behind it. docs/format/index-2.md.
//!
//! ```text
//! 0    8   magic
//! 8    4   u32 version: 2
//! 12   4   u32 h
//! 16   h   sections: statement, store, blocks, codings, signatures, patches, base
//!          parts, files
//! 16+h 32  BLAKE3 of all bytes before
//! 48+h     the codings block, if there is one
//!          the recipe block
//! ```

mod announce;
mod base_parts;
mod codings;
mod disk_note;
mod entries;
mod head;
mod recipe;
mod statement;

use crate::{CodedStretch, Index, IndexError, Units};

pub use head::{Head, HeadRead, MAX_HEAD_BYTES};
pub use statement::{StatedPart, StatedUnit, Statement};

pub(crate) use head::head_bytes;

/// Encodes codings, as in an index.
pub(crate) fn encode_codings(codings: &[CodedStretch]) -> Vec<u8> {
    codings::encode(codings)
}

/// Decodes the codings of a patch.
pub(crate) fn decode_codings_of_patch(bytes: &[u8]) -> Result<Vec<CodedStretch>, IndexError> {
    codings::decode(bytes, true)
}

/// Encodes an index as the bytes of a file.
pub(crate) fn encode(index: &Index, units: &Units) -> Vec<u8> {
    let recipe = recipe::encode(index, units);
    let codings = codings::encode(&index.codings);
    let (head, codings_block) = Head::of(index, units, codings, &recipe);
    [head.encode(), codings_block, recipe].concat()
}

/// Decodes the bytes of an index file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Index, IndexError> {
    let HeadRead::Head(head) = Head::decode(bytes)? else { return Err(IndexError::Damaged("cut off")) };
    let (codings, recipe) = (head.codings_block(), head.recipe_block());
    if bytes.len() as u64 != recipe.end {
        return Err(IndexError::Damaged("length"));
    }
    let block = |range: std::ops::Range<u64>| &bytes[range.start as usize..range.end as usize];
    Index::of_blocks(&head, block(codings), block(recipe))
}

impl Index {
    /// Puts an index together from its head and the two blocks. Without a codings block, that one is empty.
    ///
    /// # Errors
    /// Each variant of [`IndexError`] is one cause.
    pub fn of_blocks(head: &Head, codings_block: &[u8], recipe_block: &[u8]) -> Result<Self, IndexError> {
        let codings = head.codings(codings_block)?;
        head.check_recipe_block(recipe_block)?;
        recipe::decode(head, codings, recipe_block)
    }

    /// What the index states about its image, if it has version 2.
    #[must_use]
    pub fn statement(&self) -> Option<Statement> {
        self.units.as_ref().map(|units| Statement::of(self, units))
    }
}

#[cfg(test)]
mod tests;
