//! regrow as a library: publish images as static files, and rebuild them on machines that have something similar.
//!
//! An image is a large file that changes little from release to release, such as a container image or a disk image.
//! [`make`](make()) cuts it into chunks by content, puts the chunks that a store lacks into the store, and writes an
//! index that describes the image. Everything is a plain file, so any static host can serve it.
//! [`extract`](extract()) rebuilds the image on a machine. It finds chunks in the machine's seeds, such as the old
//! image, and fetches only the others. It uses a patch if the store has one that costs less.
//!
//! The machine does the comparing, because only the machine knows its seeds. The host computes nothing, and need not
//! know which releases are in use. Neither seeds nor stores have to be trusted with the bytes: every chunk is verified
//! by its id before it is used, and the whole image by its digest before it replaces a file. The index alone says what
//! the image is. [`Trust`] checks who signed it; without that, fetch it from a place that you trust.
//!
//! # An embedded updater
//!
//! A program that updates itself or its device calls [`extract`](extract()) with the location of an index. It needs a
//! [`Network`], a receiver of [`Progress`], and options with the seeds:
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::time::Duration;
//!
//! use regrow_sync::{
//!     Catalog, Deadline, ExtractOptions, ExtractReport, HttpOptions, Location, Network, Output, Progress, RetryPolicy,
//!     Stage, SyncError, extract,
//! };
//!
//! /// Counts the fetched bytes for a status page, and logs warnings.
//! #[derive(Default)]
//! struct Status {
//!     fetched: AtomicU64,
//! }
//!
//! impl Progress for Status {
//!     fn add(&self, stage: Stage, bytes: u64) {
//!         if stage == Stage::Fetch {
//!             self.fetched.fetch_add(bytes, Ordering::Relaxed);
//!         }
//!     }
//!
//!     fn warn(&self, message: &str) {
//!         eprintln!("updater: {message}");
//!     }
//! }
//!
//! /// Rebuilds the image behind the index at `url`, beside the running one. The network may take an hour.
//! fn update(url: &str, status: &Status) -> Result<ExtractReport, SyncError> {
//!     let folder = Path::new("/var/lib/app");
//!     let deadline = Some(Deadline::after(Duration::from_secs(3600)));
//!     let policy = RetryPolicy { deadline, ..RetryPolicy::default() };
//!     let mut network = Network::new(HttpOptions::default(), policy, "/var/tmp")?;
//!     let options = ExtractOptions {
//!         seeds: vec![folder.join("running.img")],
//!         catalog: Some(Catalog::open(&folder.join("catalog.sqlite"))),
//!         ..ExtractOptions::default()
//!     };
//!     let output = Output::File(folder.join("next.img"));
//!     extract(&Location::parse(url)?, output, &options, &mut network, status)
//! }
//!
//! match update("https://host/app-2.rgx", &Status::default()) {
//!     Ok(report) => println!("{} bytes rebuilt, {} fetched", report.image_bytes, report.bytes_fetched),
//!     Err(SyncError::Store(error)) if error.is_transient() => println!("{error}; try again later"),
//!     Err(error) => println!("{error}"),
//! }
//! ```
//!
//! An interrupted update loses little. The output is the old file or the complete new one, and the next call continues
//! from what was written so far.
//!
//! # The other flows
//!
//! [`patch`](patch()) makes a patch between two images, and [`patch_from`] from several to one. [`push`](push()) copies an image to another store, and
//! [`gc`](gc()) deletes what no index needs any more. [`info`](info()) and [`diff`](diff()) tell what an image consists
//! of and what an update costs. [`verify_file`] and [`verify_store`] check results.
//!
//! A flow prints nothing and never asks its user. It reports through [`Progress`], and returns a report. Everything
//! else is an option, except that the environment names proxies, and credentials of some kinds of buckets. Each
//! [`SyncError`] is one line that names the object it is about.

mod error;
mod flows;
mod place;
mod plan;
#[cfg(feature = "sources")]
mod source_error;
mod timestamp;
mod transfer;
mod trust_error;
mod warning;

pub use error::{Left, SyncError};
pub use flows::bases::BaseChoice;
pub use flows::diff::{DiffOptions, DiffReport, PathCost, diff};
pub use flows::extract::{ExtractOptions, ExtractReport, Output, StorageReport, extract};
pub use flows::gc::{GcOptions, GcReport, HistoryOptions, PrunedPatches, gc, prune_patches};
pub use flows::info::{
    ArchiveInfo, BlocksInfo, CodedInfo, DiskInfo, HeadReport, InfoReport, PackInfo, PartInfo, PatchInfo, StatementInfo,
    info, info_head,
};
#[cfg(feature = "layers")]
pub use flows::layer::{FsPath, LayerImage, LayerOptions, LayerOutput, LayerReport, layer};
pub use flows::load::{LoadOptions, LoadReport, LoadedImage, LoadedLayer, load};
pub use flows::make::{IndexFormat, MakeOptions, MakeReport, MaxWaste, make};
pub use flows::patch::{PatchOptions, PatchReport, PatchesReport, patch, patch_from};
pub use flows::push::{PushOptions, PushReport, push};
#[cfg(feature = "sign")]
pub use flows::sign::{ClaimChanges, Counter, SignOptions, SignReport, Signer, Signing, sign};
#[cfg(feature = "sources")]
pub use flows::source::{KeptSources, keep_source, parameters_in, parameters_of_index};
pub use flows::verify::{
    StatementReport, StorePart, StoreProblem, StoreVerifyReport, VerifyReport, verify_file, verify_statement,
    verify_store,
};
pub use place::claims::ClaimsReport;
pub use place::location::Location;
pub use place::network::Network;
#[cfg(feature = "sources")]
pub use place::source::{ImageName, ImageSource, Platform, SourceImage, SourceOptions};
pub use place::trust::{DetachedSignature, MAX_DETACHED_SIGNATURES, Trust, keys_in, read_key};
#[cfg(feature = "sign")]
pub use place::trust::{read_secret_key, read_signature};
pub use plan::rebuilt::RebuiltArchive;
#[cfg(feature = "sources")]
pub use source_error::SourceError;
pub use timestamp::{NotADate, Timestamp};
pub use trust_error::TrustError;
pub use warning::SyncWarning;

pub use regrow_chunker::{ChunkId, PackId, Params, ReaderLimits};
pub use regrow_store::{
    Addressing, BucketCredentials, BucketOptions, Deadline, HttpOptions, RegistryClient, RegistryLogins,
    RegistryOptions, RegistryUrl, RetryPolicy, Rights, StoreError,
};

/// Work with images on this machine, for programs that do not need a store for it.
#[cfg(feature = "normalize")]
pub use flows::make::normalize;
#[cfg(feature = "layers")]
pub use regrow_local::LayersFault;
#[cfg(feature = "normalize")]
pub use regrow_local::Normalized;
/// What this machine remembers of the images that it made.
pub use regrow_local::{Forgotten, Keep, MAX_MEMORY_BYTES, Memory, RememberedImage};
pub use regrow_local::{LocalError, Missing, NoProgress, Progress, Stage, WatchedFile, check_threads};

/// The effort that goes into making a patch small.
pub use regrow_patch::PatchLevel;

/// The way to a container engine, which an option takes.
pub use regrow_engine::{EngineError, EngineKind, EngineOptions};

/// Keys and signatures.
#[cfg(feature = "sign")]
pub use regrow_sign::SecretKey;
pub use regrow_sign::{KeyId, Keys, PublicKey, SignError, Signature};

/// The catalog, which some options take.
pub use regrow_catalog::Catalog;
