//! The first flow: image -> walk -> chunks -> dedup -> frames -> packs -> index, last.

mod contents;
mod packer;
mod recipe;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regrow_chunker::{ChunkId, Params};
use regrow_image::WALK_VERSION;
use regrow_index::Index;
use regrow_store::{FolderWriter, StoreDescription, sync_folder, temporary_file};
use serde::Serialize;

use crate::ingest::{Input, ingest};
use crate::location::{is_same_file, relative_store};
use crate::pool::Pool;
use crate::{Progress, Stage, SyncError};

use contents::StoreContents;
use packer::Packer;
use recipe::RecipeBuilder;

/// How to make.
#[derive(Debug, Clone)]
pub struct MakeOptions {
    /// The store's folder; made if it is not there.
    pub store: PathBuf,
    /// The index file to write.
    pub index: PathBuf,
    /// zstd level, 1 to 22.
    pub level: i32,
    /// Chunking parameters; `None`: those of the store, or the default in a new one.
    pub params: Option<Params>,
    /// Frames' bytes from which on a pack is closed.
    pub pack_bytes: u64,
}

impl MakeOptions {
    /// The default zstd level: measured, see ARCHITECTURE.md.
    pub const DEFAULT_LEVEL: i32 = 9;

    /// Defaults for a store and an index.
    #[must_use]
    pub fn new(store: impl Into<PathBuf>, index: impl Into<PathBuf>) -> Self {
        Self {
            store: store.into(),
            index: index.into(),
            level: Self::DEFAULT_LEVEL,
            params: None,
            pack_bytes: regrow_store::PACK_TARGET_BYTES,
        }
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
    /// Bytes that were written into the store.
    pub bytes_stored: u64,
    /// Packs that were written.
    pub packs_written: u64,
    /// Size of the index.
    pub index_bytes: u64,
    /// How long it took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// A duration as seconds with a fraction.
pub(crate) fn as_seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
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
    progress: &dyn Progress,
) -> Result<MakeReport, SyncError> {
    let start = Instant::now();
    check_index_path(&options.index)?;
    if is_same_file(input_name, &options.index) {
        return Err(SyncError::Usage(format!("{}: the index would take the image's place", options.index.display())));
    }
    let describe = |params: &Params| StoreDescription::new(WALK_VERSION, params);
    let wanted = options.params.as_ref().map(describe);
    let (store, description) = FolderWriter::open(&options.store, wanted, describe(&Params::default()))?;
    let params = parameters_of(&options.store, &description)?;
    let pool = Pool::new();
    let known = StoreContents::read(&store, progress)?;
    let mut packer = Packer::new(&store, &pool, options.level, options.pack_bytes)?;
    let mut recipe = RecipeBuilder::new(known);
    progress.begin(Stage::Make, total);
    let input = Input { reader: input, name: input_name, size_hint: total };
    let image = ingest(input, params, &pool, Stage::Make, progress, |chunk| recipe.add(&chunk, &mut packer))?;
    recipe.finish_segments(&mut packer)?;
    let written = packer.finish()?;
    progress.end(Stage::Make);
    let store_hint = relative_store(&options.index, &options.store);
    if store_hint.is_empty() {
        progress.warn("the store's path cannot be written into the index: extract will need --store");
    }
    let (index, counts) = recipe.into_index(params, &image, &written, store_hint);
    let encoded = index.encode();
    // No index goes out that a reader would refuse: an image can be too large for its chunks' size.
    Index::decode(&encoded)
        .map_err(|source| SyncError::Index { location: options.index.display().to_string(), source })?;
    write_index(&options.index, &encoded)?;
    Ok(MakeReport {
        image_bytes: image.bytes,
        image_id: index.image_id().to_string(),
        image_digest: ChunkId(image.digest).to_string(),
        chunks: index.chunks(),
        chunks_new: counts.chunks,
        bytes_new: counts.bytes,
        bytes_stored: written.iter().map(|pack| pack.bytes).sum(),
        packs_written: written.len() as u64,
        index_bytes: encoded.len() as u64,
        elapsed: start.elapsed(),
    })
}

fn parameters_of(store: &Path, found: &StoreDescription) -> Result<Params, SyncError> {
    if found.walk != WALK_VERSION {
        return Err(SyncError::Usage(format!(
            "{}: the store was made with walking rules of version {}; this regrow has version {WALK_VERSION}",
            store.display(),
            found.walk
        )));
    }
    Params::new(found.chunk_min.into(), found.chunk_avg.into(), found.chunk_max.into())
        .map_err(|error| SyncError::Usage(format!("{}: {error}", store.join(regrow_store::STORE_FILE).display())))
}

/// Finds out before the work whether the index can be written at all.
fn check_index_path(index: &Path) -> Result<(), SyncError> {
    if index.is_dir() {
        return Err(SyncError::Usage(format!(
            "{}: is a folder; the index is a file, such as app.rgx",
            index.display()
        )));
    }
    let folder = folder_of(index);
    if folder.is_dir() {
        return Ok(());
    }
    Err(SyncError::Io { path: folder.to_owned(), source: std::io::ErrorKind::NotFound.into() })
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes an index beside its name, makes it durable, and gives it its name.
fn write_index(path: &Path, bytes: &[u8]) -> Result<(), SyncError> {
    let folder = folder_of(path);
    let mut file = temporary_file(folder, ".regrow-index-").map_err(SyncError::io(folder))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(SyncError::io(path))?;
    file.persist(path).map_err(|error| SyncError::Io { path: path.to_owned(), source: error.error })?;
    Ok(sync_folder(folder)?)
}
