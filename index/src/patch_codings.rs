//! The codings that a patch states of its target, in which blocks that its base has are only named.
//! docs/format/patch-2.md, section 4.

use crate::coding::plain_image_bytes;
use crate::v2::{decode_codings_of_patch, encode_codings};
use crate::{CodedStretch, Index, IndexError};

/// Encodes the codings of a patch.
#[must_use]
pub fn encode_patch_codings(codings: &[CodedStretch]) -> Vec<u8> {
    encode_codings(codings)
}

/// Decodes the codings of a patch to the image of this index.
///
/// # Errors
/// Those of an index's codings, and [`IndexError::Malformed`] if they do not fit the image.
pub fn decode_patch_codings(bytes: &[u8], index: &Index) -> Result<Vec<CodedStretch>, IndexError> {
    let codings = decode_codings_of_patch(bytes)?;
    if plain_image_bytes(index.image_bytes, &codings)? != index.plain_bytes() {
        return Err(IndexError::Malformed("the sizes of a patch's codings"));
    }
    Ok(codings)
}
