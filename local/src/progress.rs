//! How a flow tells what it does, and learns that it has to end.

use std::time::Duration;

use crate::LocalError;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// An image is read, split and stored.
    Make,
    /// A seed is read and split.
    Scan,
    /// What the output holds already is checked.
    Resume,
    /// Missing bytes come from a store.
    Fetch,
    /// The output is written.
    Write,
    /// Bytes are checked.
    Verify,
    /// Packs go from one store to another.
    Copy,
    /// Two images are compared.
    Compare,
    /// A patch is written, or an image made from a patch.
    Patch,
    /// Packs are looked through, or rewritten.
    Collect,
}

/// Is told of progress, from any thread.
pub trait Progress: Send + Sync {
    /// A stage begins; `total` bytes, where known. Stages may overlap.
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    /// So many bytes further.
    fn add(&self, _stage: Stage, _bytes: u64) {}
    /// The stage is done.
    fn end(&self, _stage: Stage) {}
    /// The time that the flow was allowed, once it has passed. Flows ask between blocks, and then end with an error that
    /// names this time. What waits for the network has a deadline of its own.
    fn time_up(&self) -> Option<Duration> {
        None
    }
    /// Something that the user should know, though the flow goes on.
    fn warn(&self, _message: &str) {}
}

/// An error once the flow has to be over.
pub fn check_time(progress: &dyn Progress) -> Result<(), LocalError> {
    progress.time_up().map_or(Ok(()), |allowed| Err(LocalError::TimeUp { allowed }))
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
