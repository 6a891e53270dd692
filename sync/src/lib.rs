//! regrow's flows for embedding: [`make`](make()) splits an image into a store and writes its index, [`extract`](extract()) rebuilds an image
//! from what a machine holds and only what is missing, [`info`](info()), [`diff`](diff()), [`verify_file`] and [`verify_store`] look at the results.
//! Prints nothing and reads no environment: progress goes through [`Progress`], everything else is an option.

mod beside;
mod clock;
mod condemned;
mod diff;
mod error;
mod extract;
mod gc;
mod info;
mod location;
mod make;
mod patch;
mod push;
mod room;
mod slicer;
mod store_seed;
mod stores;
mod tree;
mod verify;

pub use diff::{DiffOptions, DiffReport, PathCost, diff};
pub use error::{Left, SyncError};
pub use extract::{ExtractOptions, ExtractReport, Output, extract};
pub use gc::{GcOptions, GcReport, gc};
pub use info::{ArchiveInfo, CodedInfo, InfoReport, PackInfo, info};
pub use location::Location;
pub use make::{MakeOptions, MakeReport, make};
pub use patch::publish::{PatchOptions, PatchReport, patch};
pub use push::{PushOptions, PushReport, push};
pub use stores::Network;
pub use verify::{StoreVerifyReport, VerifyReport, verify_file, verify_store};

pub use regrow_chunker::{ChunkId, Params, ReaderLimits};
pub use regrow_store::{Addressing, BucketCredentials, BucketOptions, Deadline, HttpOptions, RetryPolicy, StoreError};

/// Images on this machine, for flows that have nothing to do with a store.
pub use regrow_local::{
    LocalError, Missing, NoProgress, Normalized, Progress, Stage, WatchedFile, check_threads, normalize, scratch_file,
};

/// How much is done to make a patch small.
pub use regrow_patch::PatchLevel;

/// The crates' types that options take.
pub use regrow_catalog::Catalog;
