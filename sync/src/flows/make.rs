//! Makes a store's packs and an index from an image. The image is walked and cut into chunks; those that the store
//! lacks go into frames and packs; the index is written last.

mod again;
mod checks;
pub(crate) mod contents;
mod cutters;
mod format;
mod knowledge;
#[cfg(feature = "normalize")]
mod normalized;
mod options;
pub(crate) mod packer;
mod patches;
mod readable;
mod recipe;
mod report;
mod rewrite;
pub(crate) mod upload;
mod whole;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use regrow_chunker::{PackId, Params, bounds};
use regrow_disk::ReadAt;
use regrow_image::WALK_VERSION;
use regrow_index::{Index, IndexError};
use regrow_local::{GzipFiles, Input, Pool, Reading, ingest_made, sized};
use regrow_store::{Store, StoreDescription, open_description};

use crate::place::condemned::Reliance;
use crate::place::index_file::{encode, put_index, warn_of_name};
use crate::place::location::relative_store;
use crate::place::network::Opening;
use crate::plan::known_names;
use crate::{Location, Network, Progress, Stage, SyncError, SyncWarning};

use checks::check_limits;
pub(crate) use checks::parameters_of;
use knowledge::{Beside, Learner};
#[cfg(feature = "normalize")]
pub use normalized::normalize;
pub use options::{IndexFormat, MakeOptions};
use packer::Packer;
use recipe::RecipeBuilder;
pub use report::MakeReport;
pub use rewrite::MaxWaste;
use upload::Uploads;
use whole::check_whole;

/// Splits an image into the store and writes its index. All of `input` is read. `input_name` is used in errors, and
/// `total` is the size of the image in bytes, if it is known.
///
/// # Errors
/// Returns a [`SyncError`] if the image cannot be read or published. The index is then unchanged. Packs that were
/// stored stay, and the next run uses them.
pub fn make(
    input: &mut dyn Read,
    input_name: &Path,
    total: Option<u64>,
    options: &MakeOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<MakeReport, SyncError> {
    let start = Instant::now();
    check_options(options, input_name, network, progress)?;
    regrow_local::sweep(network.scratch());
    let bases = patches::bases(options, network, progress)?;
    let destination = Destination::open(options, network)?;
    let like = network.load_like(&options.like, progress)?;
    let format = destination.format(options, bases.iter().map(patches::PatchBase::index).chain(&like), network);
    let (pool, rules) = (Pool::new(), format.rules());
    let (params, reliance, known) = destination.prepare(options, &like, network, progress)?;
    check_limits(&params, &options.store, network)?;
    let uploads = Uploads::new(network, Arc::clone(&destination.store), &reliance, known.damaged.clone());
    let archived = known.archived.clone();
    let mut packer = Packer::new(uploads, &pool, options.level, options.pack_bytes)?;
    let mut recipe = RecipeBuilder::new(known, rules);
    recipe.keep_segments_if(options.patch_from.iter().any(|choice| choice.similar().is_some()));
    progress.begin(Stage::Make, total);
    let sized = options.image_file.as_ref().and_then(|file| sized(file).ok());
    let at_random = sized.as_ref().map(|file| file as &(dyn ReadAt + Sync));
    let input = Input { reader: input, name: input_name, size_hint: total, at_random };
    let scratch = network.scratch().to_owned();
    let gzip_files = GzipFiles::Prove(&scratch);
    let reading = Reading { rules, params, pool: &pool, stage: Stage::Make, progress, gzip_files };
    let image = ingest_made(input, &reading, options.catalog.as_ref(), |chunk| recipe.add(&chunk, &mut packer))?;
    check_whole(&image.whole, input_name, options.allow_partial, progress)?;
    known_names::remember_made(options.catalog.as_ref(), &image, rules);
    recipe.finish_segments(&params, &image, &mut packer)?;
    let written = packer.end_pack()?;
    let (new_packs, new) = (written.len(), rewrite::NewBytes::of(written));
    let places = (&*network, &*destination.store, progress);
    let rewritten = rewrite::rewrite(&mut recipe, &mut packer, new, options.max_waste, places)?;
    let operations = recipe.operations();
    let made = packer.finish()?;
    let (packs_written, bytes_stored) = made.sent;
    progress.end(Stage::Make);
    let store_hint = relative_store(&options.index, &options.store);
    if store_hint.is_empty() {
        progress.warn_of(&SyncWarning::StoreUnnamed);
    }
    let segments = recipe.take_segments();
    let (mut index, counts) = recipe.into_index(params, image, &made, new_packs, store_hint);
    check_operations(operations, &index, &options.index)?;
    destination.keep_announced(&mut index, network);
    let patches = patches::make((options, input_name), bases, segments, &mut index, network, progress)?;
    #[cfg(feature = "sign")]
    if let Some(signing) = &options.signing {
        signing.sign(&mut index, &options.index)?;
    }
    let index_bytes = destination.publish(&index, &reliance, &archived, options, network)?;
    Ok(MakeReport {
        chunks_new: counts.chunks,
        bytes_new: counts.bytes,
        chunks_rewritten: rewritten.chunks,
        bytes_rewritten: rewritten.bytes,
        bytes_stored,
        packs_written,
        packs_present: made.packs.len() as u64 - packs_written,
        index_bytes,
        patches,
        elapsed: start.elapsed(),
        ..MakeReport::of(&index, network.meter())
    })
}

/// Refuses options before anything is read or asked for.
fn check_options(
    options: &MakeOptions,
    input_name: &Path,
    network: &Network,
    progress: &dyn Progress,
) -> Result<(), SyncError> {
    options.check(input_name)?;
    warn_of_name(&options.index, progress);
    options.params.iter().try_for_each(|params| check_limits(params, &options.store, network))
}

/// Refuses an image whose skeleton no reader would take.
fn check_operations(operations: u64, index: &Index, location: &Location) -> Result<(), SyncError> {
    if operations <= bounds::max_operations(index.plain_bytes(), index.codings.len() as u64) {
        return Ok(());
    }
    let source = IndexError::Malformed("the skeleton has more operations than readers take");
    Err(SyncError::Index { location: location.to_string(), source })
}

/// The places that the results go to.
struct Destination {
    store: Arc<dyn Store>,
    /// The place of the index. `name` is the index's name there.
    place: Arc<dyn Store>,
    name: String,
}

impl Destination {
    fn open(options: &MakeOptions, network: &mut Network) -> Result<Self, SyncError> {
        let (place, name) = network.open_parent(&options.index)?;
        Ok(Self { store: network.open_place(&options.store, Opening::new(options.new_store))?, place, name })
    }

    /// Finds out everything that must be known before the image is read. Requests that do not depend on each other are
    /// sent together.
    fn prepare(
        &self,
        options: &MakeOptions,
        like: &[Index],
        network: &mut Network,
        progress: &dyn Progress,
    ) -> Result<(Params, Reliance, contents::StoreContents), SyncError> {
        let describe = |params: &Params| StoreDescription::new(WALK_VERSION, params);
        let wanted = options.params.as_ref().map(describe);
        network.block_on(async {
            let described = open_description(&*self.store, wanted, describe(&Params::default()));
            let (described, reliance) = futures::future::join(described, Reliance::begin(&*self.store)).await;
            let (description, reliance) = (described?, reliance?);
            let params = parameters_of(&options.store, &description)?;
            let catalog = options.catalog.as_ref().filter(|_| !self.store.is_local());
            let learner = Learner { store: &*self.store, reliance: &reliance, catalog, progress };
            let known = learner.learn(like, Some(Beside { place: &*self.place, name: &self.name })).await?;
            Ok((params, reliance, known))
        })
    }

    /// Writes the index, as the last step, and returns its size. The packs in `archived` that the index needs were put
    /// again, so this first checks that they can be read.
    fn publish(
        &self,
        index: &Index,
        reliance: &Reliance,
        archived: &BTreeSet<PackId>,
        options: &MakeOptions,
        network: &Network,
    ) -> Result<u64, SyncError> {
        let encoded = encode(index, &options.index)?;
        let bytes = encoded.len() as u64;
        let put_again = index.packs.iter().map(|pack| pack.id).filter(|id| archived.contains(id)).collect();
        network.block_on(async {
            readable::check(&*self.store, &put_again).await?;
            reliance.confirm(&*self.store, index.packs.iter().map(|pack| pack.id)).await?;
            put_index(&*self.place, &self.name, encoded, options.index_max_age).await
        })?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
