//! Work with an image on this machine: a tar, any other file, a device or a folder.
//!
//! [`ingest()`] reads an image once, front to back, and gives its chunks with their ids. A [`Scan`] is the result of
//! such a reading, in the form that the catalog remembers. A [`Seed`] gives the chunks of something local at random.
//! `normalize`, a feature, rewrites an image archive with plain layers, and [`StreamMaker`] rebuilds a compressed layer from
//! its plain bytes. `layers`, another feature, makes the layer that turns one image's root file system into another's.
//!
//! Work runs on a [`Pool`] of workers, so that hashing keeps pace with the disk, and reports to a [`Progress`].
//! Make and the scan of a seed share the same code. They must cut an image in the same way, since a machine can use
//! only the chunks that make found too.
//!
//! The crate knows no store and no network. `regrow-patch` and `regrow-sync` build on it.
//!
//! ```
//! use std::path::Path;
//!
//! use regrow_chunker::Params;
//! use regrow_image::WalkRules;
//! use regrow_local::{GzipFiles, Input, NoProgress, Pool, Reading, Stage, ingest};
//!
//! let image = vec![7; 1 << 20];
//! let pool = Pool::new();
//! let reading = Reading {
//!     rules: WalkRules::V3,
//!     params: Params::default(),
//!     pool: &pool,
//!     stage: Stage::Scan,
//!     progress: &NoProgress,
//!     gzip_files: GzipFiles::Contents,
//! };
//! let input = Input { reader: &mut image.as_slice(), name: Path::new("image"), size_hint: None, at_random: None };
//! let mut records = Vec::new();
//! let ingested = ingest(input, &reading, &mut |chunk| {
//!     records.push((chunk.stream, chunk.record));
//!     Ok(())
//! })?;
//! assert_eq!(ingested.bytes, 1 << 20);
//! assert_eq!(ingested.digest, *blake3::hash(&image).as_bytes());
//! assert!(!records.is_empty());
//! assert_eq!(ingested.parts.len(), 1);
//! # Ok::<(), regrow_local::LocalError>(())
//! ```

mod coded;
mod data;
mod disk_files;
mod engine;
mod error;
mod file_digest;
mod ingest;
#[cfg(feature = "layers")]
mod layers;
#[cfg(feature = "layers")]
mod layers_fault;
mod memory;
#[cfg(feature = "normalize")]
mod normalize;
mod pool;
mod progress;
mod recipe;
mod scan;
mod scratch;
mod seed;
mod sha256;
mod spool;
mod stream_chunks;

pub use coded::disk::{
    CodedBlocks, DiskMaker, PieceEncoder, SpoolFolder, StoredView, WholeCoding, block_encoder_name, bytes_behind,
    disk_memory_bytes, has_hash_tree, piece_encoder, stream_encoder_name,
};
pub use coded::stream::{CodedEncoder, StreamMaker};
#[cfg(feature = "sources")]
pub use engine::images::{Lookup, StoredImage, StoredLayer, StoredLayerReader};
pub use engine::{EngineStorage, OpenedStorage, StorageKind, WantedLayers};
pub use error::{LocalError, Missing, StorageFault};
pub use file_digest::file_digest;
pub use ingest::{
    GzipFiles, Hashed, Ingested, Input, PlainPiece, PlainSource, Reading, Sha256Names, WatchedFile, Whole, ingest,
    ingest_made, ingest_named, ingest_plain, sized,
};
#[cfg(feature = "layers")]
pub use layers::{Between, LayerBlob, LayerForm, LayeredImage, MadeLayer, layer_between};
#[cfg(feature = "layers")]
pub use layers_fault::LayersFault;
pub use memory::{
    Forgotten, Keep, MAX_BYTES as MAX_MEMORY_BYTES, MadeImage, Memory, PlainReader, RememberedImage, SkeletonReader,
};
#[cfg(feature = "normalize")]
pub use normalize::{Normalized, normalize};
pub use pool::{Ordered, Pending, Pool, check_threads, spawn_scoped};
pub use progress::{NoProgress, Progress, Stage, check_time};
pub use recipe::Recipe;
pub use scan::{Scan, UnitIds, UnitRecipes, parts_of_index, segments, unfolding_rules, unfolding_rules_begin};
pub use scratch::{ScratchFolder, sweep};
pub use seed::{
    FileSeed, FolderSeed, GuessedFiles, PatchSeed, PatchSeedBuilder, Seed, SeedContext, Seeds, Side, StoredPart,
    coding_from_base, first_with_id, sorted_by_id,
};
pub use sha256::Sha256;
pub use spool::{MEMORY_BYTES, Spool};
pub use stream_chunks::StreamChunks;
