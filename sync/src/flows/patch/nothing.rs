//! Makes a patch from nothing, which is the whole image in one object, and puts it into a store.

use std::fs::File;

use regrow_catalog::Catalog;
use regrow_index::{AnnouncedPatch, Index};
use regrow_local::{LocalError, Pool, Recipe, ScratchFolder};
use regrow_patch::{
    ChunkCost, FromNothing, Made, NOTHING, PatchImage, PatchLevel, check_from_nothing, write_from_nothing,
};
use regrow_store::{Condition, Content, ObjectKind, StoreError, patch_name};

use super::local::{Given, Locals};
use super::{PatchReport, front_of};
use crate::place::network::Opening;
use crate::plan::inspect::{Sharing, UpdateCost};
use crate::plan::target::PartedRecipe;
use crate::plan::tree::Reading;
use crate::{Location, Network, Progress, SyncError};

/// An image that is put into a store as one object too.
pub(crate) struct Whole<'a> {
    pub(crate) location: &'a Location,
    pub(crate) index: &'a Index,
    /// The image's file.
    pub(crate) file: Given<'a>,
    pub(crate) store: &'a Location,
    pub(crate) catalog: Option<&'a Catalog>,
    pub(crate) level: PatchLevel,
}

/// The announcement of a patch from nothing that is in the store.
pub(crate) fn whole_announcement(report: &PatchReport) -> AnnouncedPatch {
    AnnouncedPatch { base: NOTHING, bytes: Some(report.bytes), parts: Vec::new() }
}

/// Makes the patch, checks it, and puts it into the store.
pub(crate) fn publish_whole(
    whole: &Whole<'_>,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<PatchReport, SyncError> {
    let Whole { location, index, store, .. } = whole;
    if index.units.is_none() {
        return Err(SyncError::Usage(format!(
            "{location}: an index of format 1 has no room for a whole image's patch"
        )));
    }
    let id = index.image_id();
    let name = patch_name(&NOTHING, &id);
    let place = network.open_place(store, Opening::Existing)?;
    let mut report = PatchReport::from_nothing(&name, index);
    if let Some(Ok(front)) = network.block_on(front_of(&*place, &name))? {
        (report.present, report.bytes) = (true, front.patch_bytes);
        return Ok(report);
    }
    let pool = Pool::new();
    let scratch = ScratchFolder::new(network.scratch()).map_err(SyncError::io(network.scratch()))?;
    let (stores, catalog) = ([(*store).clone()], whole.catalog);
    let local =
        Locals { stores: &stores, catalog, scratch: scratch.path(), pool: &pool, progress, old_or_stored: false };
    let target = local.open_one((location, index, std::slice::from_ref(&whole.file)), network)?;
    let chunk_cost = cost_of_all(whole, &pool, network, progress)?;
    let mut file = place.stage("patch-").map_err(StoreError::io(place.staging()))?;
    let from = FromNothing {
        target: &target,
        id,
        params: index.params,
        chunk_cost,
        level: whole.level,
        pool: &pool,
        scratch: scratch.path(),
        progress,
    };
    let made = write_checked(&from, file.as_file_mut());
    PatchImage::check_unchanged(&target)?;
    report.bytes_chunks = chunk_cost.bytes;
    match made? {
        Made::Patch(written) => {
            report.bytes = written.header.patch_bytes;
            report.members = written.members;
            network.block_on(place.put(&name, Content::File(file), ObjectKind::Immutable, Condition::Always))?;
        }
        Made::NotWorth { bytes } => (report.bytes, report.not_worth) = (bytes, true),
    }
    Ok(report)
}

fn write_checked(from: &FromNothing<'_>, file: &mut File) -> Result<Made, LocalError> {
    let made = write_from_nothing(from, file)?;
    if let Made::Patch(_) = made {
        check_from_nothing(from, file)?;
    }
    Ok(made)
}

/// The cost of all chunks of the image.
fn cost_of_all(
    whole: &Whole<'_>,
    pool: &Pool,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<ChunkCost, SyncError> {
    let stores = [whole.store.clone()];
    let scratch = network.scratch().to_owned();
    let mut reading = Reading { stores: &stores, network, pool, scratch: &scratch, progress };
    let nothing = PartedRecipe { recipe: Recipe { skeleton: Vec::new(), contents: Vec::new() }, parts: Vec::new() };
    let cost = UpdateCost::of(nothing, Sharing::ByLength, whole.location, whole.index, &mut reading)?;
    Ok(ChunkCost { bytes: cost.table_bytes + cost.frame_bytes, chunks: cost.chunks, plain_bytes: cost.plain_bytes })
}
