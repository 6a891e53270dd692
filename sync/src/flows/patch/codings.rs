//! The codings of a disk image for machines that have its base. Blocks that the base has in the same form take a few bytes
//! there, where the index has the corrections of each.

use regrow_index::{CodedStretch, Index, encode_patch_codings};
use regrow_local::{LocalError, coding_from_base};
use regrow_patch::{PatchImage, PatchVersion};

/// Codings of up to this many bytes are left to the index, which often has them in its head.
const SMALL_BYTES: usize = 1 << 10;
/// A patch has codings if they have at most one part in this many of the bytes of those in the index.
const SHARE: usize = 2;
/// The most bytes of codings in a patch, which readers hold in memory.
const MOST_BYTES: usize = 8 << 20;

/// The codings that a patch between these images has. They are empty if those of the index are as good.
pub(crate) fn from_base(
    version: PatchVersion,
    (old, old_image): (&Index, &PatchImage),
    (new, new_image): (&Index, &PatchImage),
) -> Result<Vec<u8>, LocalError> {
    let ([CodedStretch::Disk(of_old)], [CodedStretch::Disk(of_new)]) = (&old.codings[..], &new.codings[..]) else {
        return Ok(Vec::new());
    };
    let whole_bytes = encode_patch_codings(&new.codings).len();
    if version != PatchVersion::V2 || whole_bytes <= SMALL_BYTES {
        return Ok(Vec::new());
    }
    let coding = coding_from_base((new_image.seed(), of_new), (old_image.seed(), of_old))?;
    let codings = coding.map_or_else(Vec::new, |coding| encode_patch_codings(&[coding.into()]));
    let is_better = codings.len() <= MOST_BYTES.min(whole_bytes / SHARE);
    Ok(if is_better { codings } else { Vec::new() })
}
