//! Deletes the patches of a release's history: those to images so old that hardly a machine is on its way to them.
//!
//! Which images are older is seen from the patches themselves, since a patch leads from an older image to a newer one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::stream::TryStreamExt;
use regrow_chunker::ImageId;
use regrow_store::{Depth, PATCHES_FOLDER, Store, StoreError, parse_patch_object};

use super::GcOptions;
use super::keep::{Keep, Needs};
use crate::place::network::Opening;
use crate::{Location, Network, SyncError};

/// The history whose patches are deleted.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// The store.
    pub store: Location,
    /// The index of the newest image.
    pub index: Location,
    /// How many images, the newest one included, keep the patches to them.
    pub keep: u64,
}

/// The patches that were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrunedPatches {
    /// The number of patches.
    pub patches: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// A patch in the store.
struct Listed {
    name: String,
    base: ImageId,
    target: ImageId,
    bytes: u64,
}

/// Deletes the patches to images that are older than the newest ones. Patches to an image that any index describes,
/// around the store or beside the index, stay. Machines lose nothing but bytes by it, since chunks do as well.
///
/// # Errors
/// An index or the store cannot be read, or the store refuses to delete.
pub fn prune_patches(options: &HistoryOptions, network: &mut Network) -> Result<PrunedPatches, SyncError> {
    let newest = network.load_index(&options.index)?.image_id();
    let store = network.open_place(&options.store, Opening::Existing)?;
    let mut old = network.block_on(list(&*store))?;
    let age = ages(&old, newest);
    old.retain(|patch| age.get(&patch.target).is_some_and(|&age| age >= options.keep.max(1)));
    if old.is_empty() {
        return Ok(PrunedPatches::default());
    }
    let described = described(options, network)?;
    old.retain(|patch| !described.contains(&patch.target));
    let pruned = PrunedPatches { patches: old.len() as u64, bytes: old.iter().map(|patch| patch.bytes).sum() };
    let names: Vec<String> = old.into_iter().map(|patch| patch.name).collect();
    if !names.is_empty() {
        network.block_on(store.delete(&names))?;
    }
    Ok(pruned)
}

async fn list(store: &dyn Store) -> Result<Vec<Listed>, StoreError> {
    let listed = store.list(PATCHES_FOLDER, Depth::Tree).try_filter_map(|info| {
        let patch = parse_patch_object(&info.name);
        let listed = patch.map(|(base, target)| Listed { name: info.name, base, target, bytes: info.bytes });
        std::future::ready(Ok(listed))
    });
    listed.try_collect().await
}

/// The ages of images: the smallest number of patches that lead from each one to the newest.
fn ages(patches: &[Listed], newest: ImageId) -> BTreeMap<ImageId, u64> {
    let mut bases: BTreeMap<ImageId, Vec<ImageId>> = BTreeMap::new();
    for patch in patches {
        bases.entry(patch.target).or_default().push(patch.base);
    }
    let (mut ages, mut next) = (BTreeMap::from([(newest, 0)]), VecDeque::from([(newest, 0)]));
    while let Some((image, age)) = next.pop_front() {
        for base in bases.get(&image).into_iter().flatten() {
            if !ages.contains_key(base) {
                ages.insert(*base, age + 1);
                next.push_back((*base, age + 1));
            }
        }
    }
    ages
}

/// The images that indexes describe, around the store and beside the index.
fn described(options: &HistoryOptions, network: &mut Network) -> Result<BTreeSet<ImageId>, SyncError> {
    let mut places = vec![options.store.surroundings(), options.index.surroundings()];
    places.dedup_by_key(|place| place.to_string());
    let mut images = BTreeSet::new();
    for place in places {
        let keep = Keep::open(&GcOptions { keep: vec![place], ..GcOptions::new(options.store.clone()) }, network)?;
        match network.block_on(keep.read(Needs::default())) {
            Ok(needs) => images.extend(needs.images),
            // Not every store has indexes around it.
            Err(SyncError::NothingKept { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_follow_the_patches() {
        let id = |n: u8| ImageId::from_bytes([n; 32]);
        let patch = |base, target| Listed { name: String::new(), base: id(base), target: id(target), bytes: 1 };
        // Image 4 has patches from 3 and 2. The patches of another history, and a circle, do no harm.
        let patches = [patch(1, 2), patch(2, 3), patch(3, 4), patch(2, 4), patch(4, 3), patch(7, 8), patch(4, 9)];
        let ages = ages(&patches, id(4));
        assert_eq!(ages, BTreeMap::from([(id(4), 0), (id(3), 1), (id(2), 1), (id(1), 2)]));
    }
}
