//! Checks that a store's patches are whole. Their targets are not made, since that takes the images.

use std::collections::BTreeSet;
use std::path::Path;

use futures::TryStreamExt;
use regrow_chunker::ImageId;
use regrow_index::Index;
use regrow_store::{Depth, ListStore, PATCHES_FOLDER, ReadStore, StoreError, parse_patch_object};

use super::{StorePart, StoreProblem, StoreVerifyReport};
use crate::place::network::Opening;
use crate::transfer::whole_patch::fetch_whole;
use crate::{Location, Network, SyncError};

/// The base and the target of a patch.
pub(super) type Patch = (ImageId, ImageId);

/// The patches in a store, or at a URL those that indexes announce.
pub(super) fn listed(
    store: &Location,
    indexes: &[(String, Index)],
    network: &mut Network,
) -> Result<BTreeSet<Patch>, SyncError> {
    let announced = |(_, index): &(String, Index)| {
        let target = index.image_id();
        index.patches.iter().map(|patch| (patch.base, target)).collect::<Vec<_>>()
    };
    if let Location::Url(_) = store {
        return Ok(indexes.iter().flat_map(announced).collect());
    }
    let place = network.open_place(store, Opening::Existing)?;
    let found = place.list(PATCHES_FOLDER, Depth::Tree);
    let found = found.try_filter_map(|info| std::future::ready(Ok(parse_patch_object(&info.name)))).try_collect();
    Ok(network.block_on(found)?)
}

/// Reads patches and checks them against their checksums. An absent patch is no fault, since announcements are
/// hints.
pub(super) fn verify(
    patches: &BTreeSet<Patch>,
    store: &dyn ReadStore,
    scratch: &Path,
    network: &Network,
    report: &mut StoreVerifyReport,
) -> Result<(), SyncError> {
    for (base, target) in patches {
        let mut file = tempfile::tempfile_in(scratch).map_err(SyncError::io(scratch))?;
        match network.block_on(fetch_whole((base, target), store, (&mut file, scratch))) {
            Ok(_) => report.patches += 1,
            Err(SyncError::Store(error)) if error.is_not_found() => {}
            Err(SyncError::Store(error @ StoreError::Damaged { .. })) => {
                report.patches += 1;
                report.problems.push(StoreProblem::new(StorePart::Patch, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
