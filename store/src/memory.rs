//! A store in memory, for tests and for users that need a store only for a while.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use crate::name::check_name;
use crate::{
    Condition, Content, Depth, Download, ListStore, ObjectInfo, ObjectKind, PruneStore, PutOutcome, ReadStore, Span,
    StoreError, WriteStore,
};

/// Objects in memory; clones share them.
#[derive(Clone)]
pub struct MemoryStore {
    objects: Arc<Mutex<Objects>>,
    staging: PathBuf,
    shown: String,
}

#[derive(Default)]
struct Objects {
    by_name: BTreeMap<String, Object>,
    /// The number of puts so far, from which versions are made.
    puts: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    version: String,
    modified: SystemTime,
}

impl MemoryStore {
    /// Makes an empty store that is called `shown` in messages. Files wait to be put in the system's folder for
    /// temporary files.
    #[must_use]
    pub fn new(shown: &str) -> Self {
        Self { objects: Arc::default(), staging: std::env::temp_dir(), shown: shown.to_owned() }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        // Nothing is half done while the lock is held, so the objects are sound even after a panic.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, name: &str, span: &Span) -> Result<Download, StoreError> {
        check_name(&self.shown, name)?;
        let named = format!("{}/{name}", self.shown);
        span.check(&named)?;
        let found = self.objects().by_name.get(name).cloned();
        let Some(Object { bytes, version, .. }) = found else {
            return Err(StoreError::NotFound { object: named, status: None });
        };
        let object_bytes = bytes.len() as u64;
        let Some(range) = span.within(object_bytes) else {
            let reason = format!("it has {object_bytes} bytes, fewer than were asked for");
            return Err(StoreError::Damaged { object: named, reason });
        };
        // The range is within bytes in memory, so its ends fit a usize.
        let piece = bytes.slice(range.start as usize..range.end as usize);
        let pieces = (!piece.is_empty()).then_some(Ok(piece));
        Ok(Download {
            range,
            object_bytes: Some(object_bytes),
            version: Some(version),
            body: Box::pin(stream::iter(pieces)),
        })
    }

    fn place(&self, name: &str, content: Content, condition: &Condition) -> Result<PutOutcome, StoreError> {
        check_name(&self.shown, name)?;
        let bytes = taken(content)?;
        let mut objects = self.objects();
        let there = objects.by_name.get(name).map(|object| &object.version);
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => there.is_none(),
            Condition::IfVersion(version) => there == Some(version),
        };
        if !holds {
            return Ok(PutOutcome::Refused);
        }
        objects.puts += 1;
        let object = Object { bytes, version: format!("{}", objects.puts), modified: SystemTime::now() };
        objects.by_name.insert(name.to_owned(), object);
        Ok(PutOutcome::Stored)
    }
}

impl ReadStore for MemoryStore {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(std::future::ready(self.open(name, &span)))
    }

    fn is_local(&self) -> bool {
        true
    }

    fn location(&self) -> &str {
        &self.shown
    }
}

impl ListStore for MemoryStore {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let is_listed =
            |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| depth == Depth::Tree || !rest.contains('/'));
        let objects = self.objects();
        let listed = objects.by_name.iter().filter(|(name, _)| is_listed(name));
        stream::iter(listed.map(|(name, object)| Ok(info(name, object))).collect::<Vec<_>>()).boxed()
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        let checked = check_name(&self.shown, name);
        Box::pin(std::future::ready(
            checked.map(|()| self.objects().by_name.get(name).map(|object| info(name, object))),
        ))
    }
}

impl WriteStore for MemoryStore {
    fn staging(&self) -> &Path {
        &self.staging
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        _kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(std::future::ready(self.place(name, content, &condition)))
    }
}

impl PruneStore for MemoryStore {
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>> {
        let checked = names.iter().try_for_each(|name| check_name(&self.shown, name));
        if checked.is_ok() {
            let mut objects = self.objects();
            for name in names {
                objects.by_name.remove(name);
            }
        }
        Box::pin(std::future::ready(checked))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("shown", &self.shown).finish_non_exhaustive()
    }
}

fn info(name: &str, object: &Object) -> ObjectInfo {
    ObjectInfo {
        name: name.to_owned(),
        bytes: object.bytes.len() as u64,
        modified: object.modified,
        is_archived: false,
    }
}

fn taken(content: Content) -> Result<Bytes, StoreError> {
    let file = match content {
        Content::Bytes(bytes) => return Ok(bytes),
        Content::File(file) => file,
    };
    let mut bytes = Vec::new();
    // The handle stands at the end of the bytes that were written, so it is rewound.
    file.as_file()
        .rewind()
        .and_then(|()| file.as_file().read_to_end(&mut bytes))
        .map_err(StoreError::io(file.path()))?;
    Ok(bytes.into())
}
