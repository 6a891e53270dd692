//! The coding of a disk image for machines that have the image before it. docs/format/patch-2.md, section 4.

use regrow_index::DiskCoding;

use super::{FileSeed, Seed};
use crate::LocalError;
use crate::coded::{BlockHash, DiskPlaces, HeldBlocks, Starts, Unfolded, block_hash};

/// The coding of a disk image for a machine that has its base: blocks that the base has in the same form are held. The
/// result is `None` if the target is not at hand as it is stored.
///
/// # Errors
/// [`LocalError::Io`] if one of the images cannot be read.
pub fn coding_from_base(
    (target, coding): (&FileSeed, &DiskCoding),
    (base, base_coding): (&FileSeed, &DiskCoding),
) -> Result<Option<DiskCoding>, LocalError> {
    let (Some(places), Some(file)) = (places_of(target), target.coded_file()) else { return Ok(None) };
    let known: Vec<BlockHash> =
        places_of(base).into_iter().flat_map(DiskPlaces::hashed).map(|(hash, _)| hash).collect();
    let held = HeldBlocks::of(base_coding, |number, plain_at, plain_bytes| match known.get(number) {
        Some(hash) => Ok(*hash),
        None => hash_of(base, plain_at, plain_bytes),
    })?;
    held.coding(coding, places, file)
}

/// The places of the blocks of a disk image, if the seed is one, and was read as it is stored.
fn places_of(seed: &FileSeed) -> Option<&DiskPlaces> {
    match &seed.scan().unfolded[..] {
        [Unfolded { starts: Starts::Blocks(places), .. }] => Some(places),
        _ => None,
    }
}

/// The hash of the plain bytes of a block.
fn hash_of(seed: &FileSeed, plain_at: u64, plain_bytes: u32) -> Result<BlockHash, LocalError> {
    let mut plain = vec![0; plain_bytes as usize];
    seed.read_plain(plain_at, &mut plain).map_err(LocalError::io("an image"))?;
    Ok(block_hash(&plain))
}
