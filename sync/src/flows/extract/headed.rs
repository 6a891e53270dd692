//! Rebuilds an image from the head of its index alone. The recipe comes from a seed that is the image already, or from
//! the image that a patch makes; it is right if it gives the ids that the head states. In all other cases, the blocks
//! behind the head are fetched, and everything goes on as with any index.

use std::path::Path;
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_image::StreamKind;
use regrow_index::Index;
use regrow_local::{Seeds, Spool};

use super::assemble::check_encoders;
use super::output::OutputFile;
use super::patched::{self, Extended};
use super::{Run, Written};
use crate::place::network::OpenHead;
use crate::plan::closed_parts::ClosedLayer;
use crate::plan::locate::Counts;
use crate::plan::outline::completed;
use crate::plan::patch_or_chunks::candidates;
use crate::transfer::delivery::Tally;
use crate::transfer::rest::Rest;
use crate::{Location, Network, SyncError};

/// When the recipes of coded files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codings {
    /// With the outline.
    First,
    /// When the recipe is known, if they were not read along with the head. A patch may have them, in fewer bytes.
    MayWait,
}

/// Makes ready the index for a run with these seeds. If one of them is the image, or the base of a patch, the outline
/// is enough, with the recipes of coded files. Otherwise all of the index is read.
pub(super) fn settle(
    location: &Location,
    (outline, open): (&Index, &OpenHead),
    (seeds, closed): (&Seeds, &[ClosedLayer<'_>]),
    (network, catalog): (&Network, Option<&Catalog>),
    codings: Codings,
) -> Result<Index, SyncError> {
    let is_image = |seed: &dyn regrow_local::Seed| {
        seed.as_file().is_some_and(|file| file.scan().image_id(outline.params) == outline.image_id())
    };
    if seeds.seeds.iter().any(|seed| is_image(&**seed)) || !candidates(outline, seeds, closed).is_empty() {
        if codings == Codings::MayWait && open.codings_left() > 0 {
            return Ok(outline.clone());
        }
        // If something is wrong with them, reading the whole index tells.
        if let Ok(codings) = network.codings(location, open) {
            let index = Index { codings, ..outline.clone() };
            check_encoders(location, &index)?;
            return Ok(index);
        }
    }
    let index = network.complete(location, open, catalog)?;
    check_encoders(location, &index)?;
    Ok(index)
}

/// Carries out a run whose index is an outline.
pub(super) fn write(
    run: &Run<'_>,
    rest: &Rest<'_>,
    output: OutputFile,
    scratch: &Path,
    mut seeds: Seeds,
) -> Result<Written, SyncError> {
    let found = match known_recipe(run, &seeds) {
        Some(index) => Extended::Recipe(Box::new(index)),
        // Only the recipe tells whether an image with long runs of zeros has room.
        None if output.check_room(0, scratch, Spool::disk_bytes(run.index.skeleton.bytes)).is_err() => {
            Extended::Nothing
        }
        None => patched::extend_seeds(run, &run.fetcher(&output), &mut seeds, None, (&output, scratch))?,
    };
    match found {
        Extended::Planned(counts) => Ok(Written::planned(counts)),
        Extended::Recipe(mut index) => {
            if index.codings.is_empty() && rest.codings_left() > 0 {
                index.codings = rest.codings(run.network, run.location)?;
                check_encoders(run.location, &index)?;
            }
            run.with(&index, Some(rest)).write_to(output, scratch, seeds, false)
        }
        Extended::Nothing => {
            let whole = rest.index(run.network, run.location)?;
            run.with(whole, None).write_to(output, scratch, seeds, false)
        }
    }
}

/// The index with the recipe of a seed that is the image.
fn known_recipe(run: &Run<'_>, seeds: &Seeds) -> Option<Index> {
    let files = seeds.seeds.iter().filter_map(|seed| seed.as_file());
    files.map(regrow_local::FileSeed::scan).find_map(|scan| completed(run.index, scan.unit_recipes()))
}

/// The counts of an output that is the image already. The last seed is the output, whose scan tells how many chunks
/// it has.
pub(super) fn all_resumed(index: &Index, seeds: &Seeds) -> Counts {
    let scan = seeds.seeds.last().and_then(|seed| seed.as_file()).map(regrow_local::FileSeed::scan);
    let count = |stream| scan.map_or(0, |scan| scan.records(stream).len() as u64);
    let chunks = count(StreamKind::Skeleton) + count(StreamKind::Contents);
    let resumed = Tally { chunks, bytes: index.skeleton.bytes + index.contents.bytes };
    Counts { resumed, ..Counts::default() }
}

impl<'a> Run<'a> {
    /// The number of bytes of the recipes of coded files that are not known yet.
    pub(super) fn codings_left(&self) -> u64 {
        let left = self.rest.map_or(0, Rest::codings_left);
        if self.index.codings.is_empty() { left } else { 0 }
    }

    /// The same run with another form of the index.
    fn with<'b>(&'b self, index: &'b Index, rest: Option<&'b Rest<'b>>) -> Run<'b>
    where
        'a: 'b,
    {
        Run { index, rest, stores: self.stores.clone(), health: Arc::clone(&self.health), ..*self }
    }
}
