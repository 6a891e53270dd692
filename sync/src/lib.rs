//! regrow's flows for embedding: [`make`](make()) splits an image into a store and writes its index, [`extract`](extract()) rebuilds an image
//! from what a machine holds and only what is missing, [`info`](info()), [`diff`](diff()), [`verify_file`] and [`verify_store`] look at the results.
//! Prints nothing and reads no environment: progress goes through [`Progress`], everything else is an option.

mod error;
mod flows;
mod place;
mod plan;
mod transfer;

pub use error::{Left, SyncError};
pub use flows::diff::{DiffOptions, DiffReport, PathCost, diff};
pub use flows::extract::{ExtractOptions, ExtractReport, Output, extract};
pub use flows::gc::{GcOptions, GcReport, gc};
pub use flows::info::{ArchiveInfo, CodedInfo, InfoReport, PackInfo, info};
pub use flows::make::{MakeOptions, MakeReport, MaxWaste, make};
pub use flows::patch::{PatchOptions, PatchReport, patch};
pub use flows::push::{PushOptions, PushReport, push};
pub use flows::verify::{StoreVerifyReport, VerifyReport, verify_file, verify_store};
pub use place::location::Location;
pub use place::network::Network;

pub use regrow_chunker::{ChunkId, Params, ReaderLimits};
pub use regrow_store::{Addressing, BucketCredentials, BucketOptions, Deadline, HttpOptions, RetryPolicy, StoreError};

/// Images on this machine, for flows that have nothing to do with a store.
pub use regrow_local::{
    LocalError, Missing, NoProgress, Normalized, Progress, Stage, WatchedFile, check_threads, normalize,
};

/// How much is done to make a patch small.
pub use regrow_patch::PatchLevel;

/// The crates' types that options take.
pub use regrow_catalog::Catalog;
