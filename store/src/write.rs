//! The contracts of a store beyond reading: listing, writing, pruning, each a trait of its own, since few need all.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tempfile::NamedTempFile;

use crate::{ReadStore, StoreError, temporary_file};

/// What an object is, which decides what its host tells caches and browsers of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A pack or a patch: named by its content, never changes.
    Immutable,
    /// An index: a name that may move on; caches may keep it so long.
    Index {
        /// `max-age`, whole seconds.
        max_age: Duration,
    },
    /// A small JSON object about the store.
    Description,
}

impl ObjectKind {
    /// The value of `Cache-Control`.
    #[must_use]
    pub fn cache_control(&self) -> String {
        match self {
            Self::Immutable => "public, max-age=31536000, immutable".to_owned(),
            Self::Index { max_age } => format!("public, max-age={}", max_age.as_secs()),
            Self::Description => "no-cache".to_owned(),
        }
    }

    /// The value of `Content-Type`. One that hosts do not try to compress, but for JSON.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Immutable | Self::Index { .. } => "application/octet-stream",
            Self::Description => "application/json",
        }
    }
}

/// What is put.
#[derive(Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A complete file, read from its start; it is used up. One in the store's [`staging`](WriteStore::staging) folder
    /// costs no copy.
    File(NamedTempFile),
}

/// When an object is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// In any case: what is there is replaced.
    Always,
    /// If nothing is there. A host that cannot tell replaces what is there: only for objects where that does no harm.
    IfAbsent,
    /// If what is there is still what was read with this [`version`](crate::Download::version). A host that cannot
    /// tell replaces it.
    IfVersion(String),
}

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there, complete and durable.
    Stored,
    /// The condition did not hold; what is there was left alone.
    Refused,
}

/// An object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name in the store.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last written, by the host's clock.
    pub modified: SystemTime,
    /// Whether its bytes cannot be had before somebody restores them, as far as the host tells (S3 Glacier).
    pub is_archived: bool,
}

/// How deep a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The objects of the folder itself.
    Folder,
    /// Those of all folders in it too.
    Tree,
}

/// A place whose objects can be listed.
pub trait ListStore: Send + Sync + Debug {
    /// The objects in `folder` (`packs`, `packs/ab`, empty for all of the store), in no order. Names that the
    /// host has and a store could not ([`ReadStore::get`] would refuse them) are passed over. A folder that is not there is empty.
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>>;

    /// What a list would show of one object; `None` if it is not there.
    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>>;
}

/// A place that objects are written to. An object appears under its name only when it is complete, at once.
pub trait WriteStore: Send + Sync + Debug {
    /// A folder of this machine where files wait to be put.
    fn staging(&self) -> &Path;

    /// A new file there, to be put. Its name begins with `prefix`, if it has one: where files are sent elsewhere they need none, and
    /// so a process that is killed leaves nothing.
    fn stage(&self, prefix: &str) -> std::io::Result<NamedTempFile> {
        temporary_file(self.staging(), prefix)
    }

    /// Puts an object.
    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>>;

    /// Copies an object of `from` under the same name without its bytes coming here. `Ok(false)` where these two places
    /// cannot do that.
    fn copy_from<'a>(
        &'a self,
        from: &'a dyn ReadStore,
        name: &'a str,
        kind: ObjectKind,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let _ = (from, name, kind);
        Box::pin(std::future::ready(Ok(false)))
    }
}

/// A place that objects are deleted from.
pub trait PruneStore: Send + Sync + Debug {
    /// Deletes objects; one that is not there is no error.
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// A place that does it all.
pub trait Store: ReadStore + ListStore + WriteStore + PruneStore {}

impl<S: ReadStore + ListStore + WriteStore + PruneStore + ?Sized> Store for S {}

impl<S: ListStore + ?Sized> ListStore for Arc<S> {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        (**self).list(folder, depth)
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        (**self).stat(name)
    }
}
