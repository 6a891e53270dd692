//! The list of packs that gc is about to delete, `gc.json`. Makers and gc itself read it. FORMAT.md, section 8.1.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::PackId;
use regrow_store::{Condition, Content, ObjectKind, ReadStore, Store, StoreError, pack_name, read_small};
use serde::{Deserialize, Serialize};

use super::clock::Stopwatch;
use crate::SyncError;

/// The name of the list's object.
pub(crate) const GC_FILE: &str = "gc.json";
/// The version of the list's format.
const GC_VERSION: u32 = 1;
/// The largest size of the list. An entry takes about 120 bytes.
const MAX_GC_BYTES: u64 = 256 << 20;
/// A time far in the future, about the year 33,700.
const FAR: Duration = Duration::from_secs(1_000_000_000_000);
/// The number of packs that are looked for at a time.
const IN_FLIGHT: usize = 16;
/// A maker that has taken no longer than this, and finds the list in the same version, need not check that its
/// packs are there. The time is limited because S3's versions follow from contents. A list to which packs were
/// added and removed again has its old version.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

/// The time when a pack was condemned, and the time for which it stays after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The time by the clock of the machine that ran gc.
    pub(crate) at: SystemTime,
    pub(crate) grace: Duration,
}

/// The packs that gc has condemned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condemned {
    pub(crate) packs: BTreeMap<PackId, Sentence>,
    /// The list that stands in the store.
    written: BTreeMap<PackId, Sentence>,
    /// The version of the object from which this list was read, or `None` if there was none.
    version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    condemned: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    pack: String,
    at: u64,
    grace: u64,
}

impl Condemned {
    /// Reads the list of a store. If there is none, the list is empty.
    pub(crate) async fn read(store: &(impl ReadStore + ?Sized)) -> Result<Self, StoreError> {
        let Some((text, version)) = read_small(store, GC_FILE, MAX_GC_BYTES).await? else { return Ok(Self::default()) };
        let damaged =
            |reason: String| StoreError::Damaged { object: format!("{}/{GC_FILE}", store.location()), reason };
        let file: File = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if file.format != GC_VERSION {
            return Err(damaged(format!("format version {}; this regrow reads version {GC_VERSION}", file.format)));
        }
        let packs = file.condemned.iter().map(|entry| {
            let id = entry.pack.parse().map_err(|_| damaged(format!("{:?} is not the name of a pack", entry.pack)))?;
            // A time that no clock can show never comes.
            let at = UNIX_EPOCH.checked_add(Duration::from_secs(entry.at)).unwrap_or(UNIX_EPOCH + FAR);
            Ok((id, Sentence { at, grace: Duration::from_secs(entry.grace) }))
        });
        let packs = packs.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        Ok(Self { written: packs.clone(), packs, version })
    }

    /// Whether a maker must not rely on this pack.
    pub(crate) fn contains(&self, id: &PackId) -> bool {
        self.packs.contains_key(id)
    }

    /// Whether the list differs from the one that stands in the store.
    pub(crate) fn is_changed(&self) -> bool {
        self.packs != self.written
    }

    /// Writes the list in place of the one that was read, if it differs. The result is `false` if another gc has
    /// written meanwhile.
    pub(crate) async fn write(&mut self, store: &dyn Store) -> Result<bool, StoreError> {
        if !self.is_changed() {
            return Ok(true);
        }
        let packs = self.packs.clone();
        self.put(store, packs).await
    }

    /// Writes the list that stands in the store once more, so that the store gives it a new time, and returns that
    /// time. The result is `None` if another gc has written meanwhile.
    pub(crate) async fn time_of_store(&mut self, store: &dyn Store) -> Result<Option<SystemTime>, StoreError> {
        let standing = self.written.clone();
        if !self.put(store, standing).await? {
            return Ok(None);
        }
        Ok(store.stat(GC_FILE).await?.map(|info| info.modified))
    }

    async fn put(&mut self, store: &dyn Store, packs: BTreeMap<PackId, Sentence>) -> Result<bool, StoreError> {
        let entry = |(id, sentence): (&PackId, &Sentence)| Entry {
            pack: id.to_string(),
            // The time is rounded up, so that a pack never goes early.
            at: sentence.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().div_ceil(1000) as u64,
            grace: sentence.grace.as_millis().div_ceil(1000) as u64,
        };
        let file = File { format: GC_VERSION, condemned: packs.iter().map(entry).collect() };
        let text = serde_json::to_vec(&file).map_err(|error| StoreError::InvalidRequest {
            object: format!("{}/{GC_FILE}", store.location()),
            reason: error.to_string(),
        })?;
        let condition = self.version.clone().map_or(Condition::IfAbsent, Condition::IfVersion);
        let text = Bytes::from(text);
        store.put(GC_FILE, Content::Bytes(text.clone()), ObjectKind::Description, condition).await?;
        // The list that stands there counts, not the outcome of the put. If the answer to a first try was lost, the
        // second is refused because of the first. And if this list was put, another one may stand there already,
        // whose version must not be taken for this one's.
        let Some((standing, version)) = read_small(store, GC_FILE, MAX_GC_BYTES).await? else { return Ok(false) };
        if standing != text {
            return Ok(false);
        }
        (self.version, self.written) = (version, packs);
        Ok(true)
    }
}

/// The state of a store's list, as a maker has seen it: FORMAT.md, section 8.1, steps 1 and 3.
pub(crate) struct Reliance {
    began: Stopwatch,
    seen: Condemned,
}

impl Reliance {
    /// Does step 1, which must come before the maker reads anything else of the store.
    pub(crate) async fn begin(store: &(impl ReadStore + ?Sized)) -> Result<Self, StoreError> {
        let began = Stopwatch::start();
        Ok(Self { began, seen: Condemned::read(store).await? })
    }

    /// Whether a maker must not rely on this pack, nor write one under this name.
    pub(crate) fn is_condemned(&self, id: &PackId) -> bool {
        self.seen.contains(id)
    }

    /// Does step 3, right before an index that names these packs is put.
    ///
    /// # Errors
    /// [`SyncError::Condemned`] if one of the packs is gone, or may be deleted before the index is seen.
    pub(crate) async fn confirm(
        &self,
        store: &dyn Store,
        packs: impl Iterator<Item = PackId>,
    ) -> Result<(), SyncError> {
        let packs: BTreeSet<PackId> = packs.collect();
        let now = Condemned::read(store).await?;
        let elapsed = self.began.elapsed();
        let is_lost = |id: &&PackId| now.packs.get(*id).is_some_and(|sentence| elapsed >= sentence.grace / 2);
        let mut lost = packs.iter().find(is_lost).copied();
        if lost.is_none() && (now.version != self.seen.version || elapsed >= TRUSTED_FOR) {
            lost = absent(store, &packs).await?;
        }
        match lost {
            Some(pack) => Err(SyncError::Condemned { pack, store: store.location().to_owned() }),
            None => Ok(()),
        }
    }
}

/// One of these packs that is not in the store. This must be checked after the list was read, since a pack that was
/// condemned and deleted since the beginning is no longer in the list.
async fn absent(store: &dyn Store, packs: &BTreeSet<PackId>) -> Result<Option<PackId>, StoreError> {
    let look = |id: &PackId| {
        let id = *id;
        async move { Ok::<_, StoreError>(store.stat(&pack_name(&id)).await?.is_none().then_some(id)) }
    };
    let looks: Vec<_> = packs.iter().map(look).collect();
    let absent = stream::iter(looks).buffer_unordered(IN_FLIGHT).try_filter_map(|id| std::future::ready(Ok(id)));
    std::pin::pin!(absent).try_next().await
}
