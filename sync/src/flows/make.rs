//! The first flow: image -> walk -> chunks -> dedup -> frames -> packs -> index, last.

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
use regrow_chunker::{ChunkId, Params, bounds};
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

/// How to make.
#[derive(Debug)]
pub struct MakeOptions {
    /// The store; made if it is not there.
    pub store: Location,
    /// Make it in a folder that holds other files, too.
    pub new_store: bool,
    /// The index to write.
    pub index: Location,
    /// Indexes of images like this one: what their packs hold is not stored again. None: what the store holds is found out
    /// by a list.
    pub like: Vec<Location>,
    /// How long caches may keep the index.
    pub index_max_age: Duration,
    /// Remembers what the packs of remote stores hold.
    pub catalog: Option<Catalog>,
    /// Indexes of images that machines may have: a patch from each is made.
    pub patch_from: Vec<Location>,
    /// The image again, if it is a file: patches need to read it at random.
    pub image_file: Option<File>,
    /// Local files that may be the images of `patch_from`; of none given they are read from the store.
    pub old_files: Vec<PathBuf>,
    /// How much is done to make patches small, 1 to 9.
    pub patch_level: PatchLevel,
    /// A folder for temporary files.
    pub scratch: PathBuf,
    /// zstd level, 1 to 22.
    pub level: i32,
    /// Chunking parameters; `None`: those of the store, or the default in a new one.
    pub params: Option<Params>,
    /// Packs have at most this many bytes, unless one frame alone needs more.
    pub pack_bytes: u64,
    /// What a machine without a seed may fetch of old packs beyond what the image needs. Chunks that lie thinly in old frames
    /// are written again until it is no more, but never more than a quarter of what the image costs alone.
    pub max_waste: MaxWaste,
    /// Take an image that is not all there, as far as that can be seen: an empty one, or a tar that is cut off.
    pub allow_partial: bool,
}

impl MakeOptions {
    /// The default zstd level: measured, see docs/measurements.md.
    pub const DEFAULT_LEVEL: i32 = 9;
    /// How long caches keep an index by default: a release is seen everywhere after a minute.
    pub const DEFAULT_INDEX_MAX_AGE: Duration = index_file::DEFAULT_MAX_AGE;

    /// Defaults for a store and an index.
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
    /// Refuses places that [`make`] would refuse, for those who have work to do before they call it. `input_name` is where
    /// the image is read from.
    ///
    /// # Errors
    /// [`SyncError::Usage`]; [`SyncError::Io`] where the index's folder is missing.
    pub fn check(&self, input_name: &Path) -> Result<(), SyncError> {
        check_index(&self.index, input_name)?;
        check_apart(&self.index, &self.store)
    }
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct MakeReport {
    /// Size of the image.
    pub image_bytes: u64,
    /// Its id.
    pub image_id: String,
    /// BLAKE3 of the image.
    pub image_digest: String,
    /// Chunks of the image, repetitions included.
    pub chunks: u64,
    /// Chunks that the store did not hold.
    pub chunks_new: u64,
    /// Their plain bytes.
    pub bytes_new: u64,
    /// Chunks that the store held and that were written again, so that a first install does not fetch what lies around them.
    pub chunks_rewritten: u64,
    /// Their plain bytes.
    pub bytes_rewritten: u64,
    /// Bytes that were written into the store.
    pub bytes_stored: u64,
    /// Packs that were written.
    pub packs_written: u64,
    /// Packs that were made, and found there: an interrupted run had written them.
    pub packs_present: u64,
    /// Requests over a network, retries included.
    pub requests: u64,
    /// Of these, those that write.
    pub requests_write: u64,
    /// Bytes of bodies that came over the wire.
    pub bytes_fetched: u64,
    /// Bytes of bodies that were sent over the wire.
    pub bytes_sent: u64,
    /// Gzip files that are stored as what they hold.
    pub coded: u64,
    /// Their bytes in the image.
    pub coded_bytes: u64,
    /// The bytes that they hold.
    pub coded_plain_bytes: u64,
    /// Size of the index.
    pub index_bytes: u64,
    /// Patches that were made.
    pub patches: Vec<PatchReport>,
    /// How long it took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// Splits the image that `input` gives, all of it, into the store and writes its index. `input_name` is for errors; `total` is
/// its size in bytes where known.
///
/// # Errors
/// [`SyncError`]; the index is left as it was then, and what was stored stays, to be used by the next run.
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
        progress.warn("the store's place cannot be written into the index: extract will need --store");
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
        image_digest: ChunkId(index.image_digest).to_string(),
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

/// Where it all goes.
struct Destination {
    store: Arc<dyn Store>,
    /// Where the index goes, and its name there.
    place: Arc<dyn Store>,
    name: String,
}

impl Destination {
    fn open(options: &MakeOptions, network: &mut Network) -> Result<Self, SyncError> {
        let (place, name) = network.open_parent(&options.index)?;
        Ok(Self { store: network.open_place(&options.store, Opening::new(options.new_store))?, place, name })
    }

    /// Everything that is to be known before the image is read. The requests that do not depend on each other go out together.
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

    /// Puts the index, last; returns its size. Packs that were `archived` have been put again, if it needs them.
    fn publish(
        &self,
        index: &Index,
        reliance: &Reliance,
        archived: &BTreeSet<ChunkId>,
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

/// Refuses to make what readers refuse unless they are told otherwise, as this one was not.
fn check_limits(params: &Params, store: &Location, network: &Network) -> Result<(), SyncError> {
    let limits = network.limits();
    if limits.allows(params) {
        return Ok(());
    }
    Err(SyncError::Usage(format!(
        "{store}: machines refuse chunks of less than {} bytes on average; where they all run with --min-avg-size {}, give that here too",
        limits.min_avg_bytes,
        params.avg_bytes().min(params.min_bytes().saturating_mul(4)),
    )))
}

/// Finds out before the work whether the index can be written at all.
fn check_index(index: &Location, input: &Path) -> Result<(), SyncError> {
    let Location::Path(index) = index else { return Ok(()) };
    let usage = |reason: &str| SyncError::Usage(format!("{}: {reason}", index.display()));
    if is_same_file(input, index) {
        return Err(usage("the index would take the image's place"));
    }
    if !is_replaceable(index) {
        return Err(usage("is there and is no index; remove it first, or choose another name"));
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

/// Whether what lies at the place of a new index is an index too, or nothing.
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
