//! Progress: a flow reports its work, and learns when it must end.

use std::time::Duration;

use crate::LocalError;

/// A kind of work that a flow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// An image is read, split and stored.
    Make,
    /// A seed is read and split.
    Scan,
    /// The bytes that the output already has are checked.
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
    /// Layers go into a container engine.
    Load,
}

/// A receiver of progress reports, which come from any thread.
pub trait Progress: Send + Sync {
    /// A stage begins. `total` is its size in bytes, where that is known. Stages may overlap.
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    /// A stage has advanced by this many bytes.
    fn add(&self, _stage: Stage, _bytes: u64) {}
    /// The stage is done.
    fn end(&self, _stage: Stage) {}
    /// The time that the flow was allowed, once it has passed. Flows ask between blocks, and then end with an error
    /// that names this time. Waits for the network have a deadline of their own.
    fn time_up(&self) -> Option<Duration> {
        None
    }
    /// The user should know of this, although the flow goes on.
    fn warn(&self, _message: &str) {}
    /// A warning that the receiver may tell from others, and may know more about, such as a setting that would help.
    /// It is an error by type, so that the receiver can downcast it.
    fn warn_of(&self, warning: &(dyn std::error::Error + 'static)) {
        self.warn(&warning.to_string());
    }
}

/// Fails once the time of the flow has passed.
pub fn check_time(progress: &dyn Progress) -> Result<(), LocalError> {
    progress.time_up().map_or(Ok(()), |allowed| Err(LocalError::TimeUp { allowed }))
}

/// A receiver that ignores all reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
