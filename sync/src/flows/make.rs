//! Makes a store's packs and an index from an image. The image is walked and cut into chunks; those that the store
//! lacks go into frames and packs; the index is written last.

pub(crate) mod contents;
mod knowledge;
pub(crate) mod packer;
mod patches;
mod readable;
mod recipe;
mod rewrite;
pub(crate) mod upload;
mod whole;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_catalog::Catalog;
use regrow_chunker::{Digest, PackId, Params, bounds};
use regrow_image::WALK_VERSION;
use regrow_index::{Coding, Index, IndexError};
use regrow_local::{GzipFiles, Input, Pool, Reading, ingest_into};
use regrow_patch::PatchLevel;
use regrow_store::{Store, StoreDescription, open_description};
use serde::Serialize;

use super::patch::PatchReport;
use crate::flows::seconds::as_seconds;
use crate::place::condemned::Reliance;
use crate::place::index_file::{self, check_apart, encode, put_index, warn_of_name};
use crate::place::location::{folder_of, is_same_file, relative_store};
use crate::place::network::Opening;
use crate::{Location, Network, Progress, Stage, SyncError};

use knowledge::{Beside, Learner};
use packer::Packer;
use recipe::RecipeBuilder;
pub use rewrite::MaxWaste;
use upload::Uploads;
use whole::check_whole;

/// The options of a make.
#[derive(Debug)]
pub struct MakeOptions {
    /// The store. It is made if it does not exist.
    pub store: Location,
    /// Whether to make a new store even in a folder that holds other files.
    pub new_store: bool,
    /// The location of the index to write.
    pub index: Location,
    /// The indexes of similar images. Chunks that their packs hold are not stored again. If there are none, a list of
    /// the store tells which packs to look at.
    pub like: Vec<Location>,
    /// The time for which caches may keep the index.
    pub index_max_age: Duration,
    /// The catalog that remembers what the packs of remote stores hold.
    pub catalog: Option<Catalog>,
    /// The indexes of images that machines may have. A patch is made from each of them.
    pub patch_from: Vec<Location>,
    /// The image once more, if it is a file, because patches read it at random.
    pub image_file: Option<File>,
    /// Local files that may be the images of `patch_from`. If there are none, those images are read from the store.
    pub old_files: Vec<PathBuf>,
    /// The effort that goes into making patches small, from 1 to 9.
    pub patch_level: PatchLevel,
    /// The folder for temporary files.
    pub scratch: PathBuf,
    /// The zstd level, from 1 to 22.
    pub level: i32,
    /// The chunking parameters. `None` stands for those of the store, or for the defaults in a new store.
    pub params: Option<Params>,
    /// The largest size of a pack in bytes, unless a single frame needs more.
    pub pack_bytes: u64,
    /// The share of bytes that a machine without a seed may fetch from old packs beyond what the image needs. Chunks
    /// that lie thinly in old frames are written again until the share is kept, but never more than a quarter of what
    /// the image costs alone.
    pub max_waste: MaxWaste,
    /// Whether to accept an image that is visibly incomplete: an empty one, or a tar that is cut off.
    pub allow_partial: bool,
}

impl MakeOptions {
    /// The default zstd level, chosen by measurement: see docs/measurements.md.
    pub const DEFAULT_LEVEL: i32 = 9;
    /// The time for which caches keep an index by default. Everybody sees a new release after a minute.
    pub const DEFAULT_INDEX_MAX_AGE: Duration = index_file::DEFAULT_MAX_AGE;

    /// The default options for a store and an index.
    #[must_use]
    pub fn new(store: impl Into<Location>, index: impl Into<Location>) -> Self {
        Self {
            store: store.into(),
            new_store: false,
            index: index.into(),
            like: Vec::new(),
            index_max_age: Self::DEFAULT_INDEX_MAX_AGE,
            catalog: None,
            patch_from: Vec::new(),
            image_file: None,
            old_files: Vec::new(),
            patch_level: PatchLevel::default(),
            scratch: "/tmp".into(),
            level: Self::DEFAULT_LEVEL,
            params: None,
            pack_bytes: regrow_store::PACK_TARGET_BYTES,
            max_waste: MaxWaste::default(),
            allow_partial: false,
        }
    }
}

impl MakeOptions {
    /// Refuses locations that [`make`] would refuse, for callers that have work to do before they call it. `input_name`
    /// is the path that the image is read from.
    ///
    /// # Errors
    /// Returns [`SyncError::Usage`] for an index that cannot be written there, and [`SyncError::Io`] if its folder is
    /// missing.
    pub fn check(&self, input_name: &Path) -> Result<(), SyncError> {
        check_index(&self.index, input_name)?;
        check_apart(&self.index, &self.store)
    }
}

/// The result of a make.
#[derive(Debug, Clone, Serialize)]
pub struct MakeReport {
    /// The size of the image.
    pub image_bytes: u64,
    /// The id of the image.
    pub image_id: String,
    /// The BLAKE3 digest of the image.
    pub image_digest: String,
    /// The number of chunks in the image, repetitions included.
    pub chunks: u64,
    /// The number of distinct chunks that the store did not have.
    pub chunks_new: u64,
    /// The plain bytes of those new chunks.
    pub bytes_new: u64,
    /// The number of chunks that the store had but that were written again, so that a first install need not fetch the
    /// dead chunks around them.
    pub chunks_rewritten: u64,
    /// The plain bytes of the chunks that were written again.
    pub bytes_rewritten: u64,
    /// The bytes that were written into the store.
    pub bytes_stored: u64,
    /// The number of packs that were written.
    pub packs_written: u64,
    /// The number of packs that were made but found in the store, because an interrupted run had written them.
    pub packs_present: u64,
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The number of those requests that write.
    pub requests_write: u64,
    /// The bytes of bodies that came over the network.
    pub bytes_fetched: u64,
    /// The bytes of bodies that were sent over the network.
    pub bytes_sent: u64,
    /// The number of coded files: gzip files that are stored as their plain bytes.
    pub coded: u64,
    /// The bytes of the coded files in the image.
    pub coded_bytes: u64,
    /// The plain bytes of the coded files.
    pub coded_plain_bytes: u64,
    /// The size of the index.
    pub index_bytes: u64,
    /// The patches that were made.
    pub patches: Vec<PatchReport>,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

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
    options.check(input_name)?;
    warn_of_name(&options.index, progress);
    regrow_local::sweep(&options.scratch);
    if let Some(params) = &options.params {
        check_limits(params, &options.store, network)?;
    }
    let bases = patches::bases(options, network, progress)?;
    let destination = Destination::open(options, network)?;
    let pool = Pool::new();
    let (params, reliance, known) = destination.prepare(options, network, progress)?;
    check_limits(&params, &options.store, network)?;
    let uploads = Uploads::new(network, Arc::clone(&destination.store), &reliance, known.damaged.clone());
    let archived = known.archived.clone();
    let mut packer = Packer::new(uploads, &pool, options.level, options.pack_bytes)?;
    let mut recipe = RecipeBuilder::new(known);
    progress.begin(Stage::Make, total);
    let input = Input { reader: input, name: input_name, size_hint: total };
    let gzip_files = GzipFiles::Prove(&options.scratch);
    let reading = Reading { params, pool: &pool, stage: Stage::Make, progress, gzip_files };
    let image = ingest_into(input, &reading, |chunk| recipe.add(&chunk, &mut packer))?;
    check_whole(&image.whole, input_name, options.allow_partial, progress)?;
    recipe.finish_segments(&mut packer)?;
    let (new_packs, new_bytes) = packer.end_pack()?;
    let places = (&*network, &*destination.store, progress);
    let rewritten = rewrite::rewrite(&mut recipe, &mut packer, new_bytes, options.max_waste, places)?;
    let operations = recipe.operations();
    let made = packer.finish()?;
    let (packs_written, bytes_stored) = made.sent;
    progress.end(Stage::Make);
    let store_hint = relative_store(&options.index, &options.store);
    if store_hint.is_empty() {
        progress.warn("the index cannot say where its store is; extract will need --store");
    }
    let (mut index, counts) = recipe.into_index(params, image, &made, new_packs, store_hint);
    if operations > bounds::max_operations(index.plain_bytes(), index.codings.len() as u64) {
        let source = IndexError::Malformed("the skeleton has more operations than readers take");
        return Err(SyncError::Index { location: options.index.to_string(), source });
    }
    let patches = patches::make((options, input_name), &bases, &mut index, network, progress)?;
    let index_bytes = destination.publish(&index, &reliance, &archived, options, network)?;
    Ok(MakeReport {
        image_bytes: index.image_bytes,
        image_id: index.image_id().to_string(),
        image_digest: Digest::from_bytes(index.image_digest).to_string(),
        chunks: index.chunks(),
        chunks_new: counts.chunks,
        bytes_new: counts.bytes,
        chunks_rewritten: rewritten.chunks,
        bytes_rewritten: rewritten.bytes,
        bytes_stored,
        packs_written,
        packs_present: made.packs.len() as u64 - packs_written,
        requests: network.meter().requests(),
        requests_write: network.meter().writes(),
        bytes_fetched: network.meter().body_bytes(),
        bytes_sent: network.meter().sent_bytes(),
        coded: index.codings.len() as u64,
        coded_bytes: index.codings.iter().map(Coding::stored_bytes).sum(),
        coded_plain_bytes: index.codings.iter().map(Coding::plain_bytes).sum(),
        index_bytes,
        patches,
        elapsed: start.elapsed(),
    })
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
        network: &mut Network,
        progress: &dyn Progress,
    ) -> Result<(Params, Reliance, contents::StoreContents), SyncError> {
        let describe = |params: &Params| StoreDescription::new(WALK_VERSION, params);
        let wanted = options.params.as_ref().map(describe);
        let like = network.load_like(&options.like, progress)?;
        network.block_on(async {
            let described = open_description(&*self.store, wanted, describe(&Params::default()));
            let (described, reliance) = futures::join!(described, Reliance::begin(&*self.store));
            let (description, reliance) = (described?, reliance?);
            let params = parameters_of(&options.store, &description)?;
            let learner =
                Learner { store: &*self.store, reliance: &reliance, catalog: options.catalog.as_ref(), progress };
            let known = learner.learn(&like, Some(Beside { place: &*self.place, name: &self.name })).await?;
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

/// The chunking parameters of a store.
pub(crate) fn parameters_of(store: &Location, found: &StoreDescription) -> Result<Params, SyncError> {
    if found.walk != WALK_VERSION {
        return Err(SyncError::Usage(format!(
            "{store}: the store was made with walking rules of version {}; this regrow has version {WALK_VERSION}",
            found.walk
        )));
    }
    Params::new(found.chunk_min.into(), found.chunk_avg.into(), found.chunk_max.into())
        .map_err(|error| SyncError::Usage(format!("{}: {error}", store.child(regrow_store::STORE_FILE))))
}

/// Refuses parameters that readers refuse by default, unless this run was given other limits.
fn check_limits(params: &Params, store: &Location, network: &Network) -> Result<(), SyncError> {
    let limits = network.limits();
    if limits.allows(params) {
        return Ok(());
    }
    Err(SyncError::Usage(format!(
        "{store}: machines refuse chunks of less than {} bytes on average; if all of them run with --min-avg-size {}, give it here too",
        limits.min_avg_bytes,
        params.avg_bytes().min(params.min_bytes().saturating_mul(4)),
    )))
}

/// Checks, before any work is done, that the index can be written.
fn check_index(index: &Location, input: &Path) -> Result<(), SyncError> {
    let Location::Path(index) = index else { return Ok(()) };
    let usage = |reason: &str| SyncError::Usage(format!("{}: {reason}", index.display()));
    if is_same_file(input, index) {
        return Err(usage("the index would take the image's place"));
    }
    if !is_replaceable(index) {
        return Err(usage("this file is not an index; remove it first, or choose another name"));
    }
    if index.is_dir() {
        return Err(usage("is a folder; the index is a file, such as app.rgx"));
    }
    let folder = folder_of(index);
    if folder.is_dir() {
        return Ok(());
    }
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such folder");
    Err(SyncError::Io { path: folder.to_owned(), source })
}

/// Whether a new index would replace an index, an empty file or nothing. Folders are refused elsewhere.
fn is_replaceable(index: &Path) -> bool {
    let mut magic = Vec::new();
    match std::fs::File::open(index) {
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) => {
            file.take(8).read_to_end(&mut magic).is_err() || magic == regrow_index::MAGIC
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
