//! The contracts of a store beyond reading. Listing, writing and pruning are a trait each, since few users need all
//! of them.

use std::fmt::Debug;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tempfile::NamedTempFile;

use crate::{ReadStore, StoreError, temporary_file};

/// The kind of an object. It decides what its host tells caches and browsers about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A pack or a patch, which is named by its content and never changes.
    Immutable,
    /// An index, whose name may move on to another one. Caches may keep it for this long.
    Index {
        /// The value of `max-age`, in whole seconds.
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

    /// The value of `Content-Type`. Hosts do not try to compress objects of this type, except for JSON.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Immutable | Self::Index { .. } => "application/octet-stream",
            Self::Description => "application/json",
        }
    }
}

/// The bytes that are put.
#[derive(Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A complete file, which is read from its start and used up. A file in the store's
    /// [`staging`](WriteStore::staging) folder costs no copy.
    File(NamedTempFile),
}

/// An index that is put, and what a store without folders must know of it. [`WriteStore::put_index`] takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexContent {
    /// The bytes of the index.
    pub bytes: Bytes,
    /// How long caches may keep it.
    pub max_age: Duration,
    /// The number of bytes at its beginning that readers need first.
    pub head_bytes: u64,
    /// The names of the objects that readers of the index need.
    pub needs: Vec<String>,
    /// The names of the objects that they can do without.
    pub hints: Vec<String>,
}

/// The condition under which an object is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Always: an object that is there is replaced.
    Always,
    /// Only if nothing is there. A host that cannot tell replaces the object, so use this only where that does no
    /// harm.
    IfAbsent,
    /// Only if the object still has this [`version`](crate::Download::version). A host that cannot tell replaces
    /// it.
    IfVersion(String),
}

/// The outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there, complete and durable.
    Stored,
    /// The condition did not hold. The object that is there was left alone.
    Refused,
}

/// An object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object's name in the store.
    pub name: String,
    /// The object's size in bytes.
    pub bytes: u64,
    /// The time of the last write, by the host's clock.
    pub modified: SystemTime,
    /// Whether the object cannot be read before somebody restores it, as far as the host tells (S3 Glacier).
    pub is_archived: bool,
}

/// The depth of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only the objects of the folder itself.
    Folder,
    /// The objects of the folder, and of all folders in it.
    Tree,
}

/// A place whose objects can be listed.
pub trait ListStore: Send + Sync + Debug {
    /// Lists the objects in `folder` (`packs`, `packs/ab`, empty for all of the store), in no particular order.
    /// Names that no store could have, which [`ReadStore::get`] would refuse, are passed over. A folder that is not
    /// there is empty.
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>>;

    /// Returns what a list would show of one object, or `None` if it is not there.
    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>>;
}

/// A place that objects are written to. An object appears under its name at once, and only when it is complete.
pub trait WriteStore: Send + Sync + Debug {
    /// A folder of this machine in which files wait to be put.
    fn staging(&self) -> &Path;

    /// Makes a new file in the staging folder. Its name begins with `prefix`, if the file has a name: a backend
    /// that sends files elsewhere needs none, so a process that is killed leaves nothing.
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

    /// Puts an index. Everything that it needs was put before.
    fn put_index<'a>(
        &'a self,
        name: &'a str,
        index: IndexContent,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        let kind = ObjectKind::Index { max_age: index.max_age };
        self.put(name, Content::Bytes(index.bytes), kind, condition)
    }

    /// Copies an object of `from` under the same name, without fetching its bytes. The result is `Ok(false)` if
    /// these two places cannot do that.
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
    /// Deletes objects. An object that is not there is no error.
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// A place that implements all four contracts.
pub trait Store: ReadStore + ListStore + WriteStore + PruneStore {}

impl<S: ReadStore + ListStore + WriteStore + PruneStore + ?Sized> Store for S {}

impl<P: Deref<Target: ListStore> + Send + Sync + Debug> ListStore for P {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        (**self).list(folder, depth)
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        (**self).stat(name)
    }
}
