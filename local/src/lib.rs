//! An image on this machine: a tar, any other file, a device or a folder.
//!
//! [`ingest()`] reads an image once, front to back, and gives its chunks with their ids. [`Scan`] is what such a reading found, and
//! what the catalog remembers of it. A [`Seed`] gives the chunks of something local at random. [`normalize()`] writes an image
//! archive again with plain layers, and [`StreamMaker`] makes a compressed layer again from what it holds. Everything runs on a
//! [`Pool`] of workers, and tells a [`Progress`] how far it is.
//!
//! Nothing here knows a store or the network. `regrow-patch` and `regrow-sync` build on it.

mod coded;
mod data;
mod error;
mod ingest;
mod normalize;
mod pool;
mod progress;
mod recipe;
mod scan;
mod scratch;
mod seed;
mod spool;
mod stream_chunks;

pub use coded::stream::StreamMaker;
pub use error::{LocalError, Missing};
pub use ingest::{
    GzipFiles, Hashed, Ingested, Input, PlainPiece, PlainSource, Reading, WatchedFile, Whole, ingest, ingest_into,
    ingest_plain,
};
pub use normalize::{Normalized, normalize};
pub use pool::{Ordered, Pending, Pool, check_threads, spawn_scoped};
pub use progress::{NoProgress, Progress, Stage, check_time};
pub use recipe::Recipe;
pub use scan::{Scan, segments, unfolding_rules};
pub use scratch::{ScratchFolder, sweep};
pub use seed::{
    FileSeed, FolderSeed, GuessedFiles, PatchSeed, PatchSeedBuilder, Seed, SeedContext, Seeds, first_with_id,
    sorted_by_id,
};
pub use spool::{MEMORY_BYTES, Spool};
pub use stream_chunks::StreamChunks;
