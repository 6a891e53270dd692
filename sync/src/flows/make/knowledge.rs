//! Learns what a store has without reading all of it: ARCHITECTURE.md, "What a maker learns of a store".
//!
//! The packs of images that are likely to be similar are read first: of those that are given, or else of the last
//! releases. If no such image is known, the newest packs of the store are read, up to a bound. The catalog remembers each
//! tail under the name of its pack.

mod neighbours;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use regrow_catalog::Catalog;
use regrow_chunker::PackId;
use regrow_index::{Index, PackRef};
use regrow_store::{
    ObjectInfo, PackTail, ReadStore, Span, Store, StoreError, TRAILER_BYTES, Trailer, list_packs, pack_name, read_tail,
};

use super::contents::StoreContents;
use crate::place::condemned::Reliance;
use crate::{Progress, SyncError, SyncWarning};

/// The most requests that are in flight at a time.
const IN_FLIGHT: usize = 32;
/// The most listed packs that are read over a network, not counting those that the catalog remembers.
const REMOTE_PACKS: usize = 512;
/// The most packs of a list that are looked at. They fill ten pages of an S3 list.
const LISTED_PACKS: usize = 10_000;
/// The number of chunks after which no more packs are read. Each takes 75 bytes of memory.
const KNOWN_CHUNKS: usize = 4_000_000;
/// In a store with no more packs than this, all are read. In a larger one, this is how many packs are read that are
/// older than the last releases and that none of these names. They let a maker find what an image had not long ago, as
/// when a release is taken back.
const OLDER_PACKS: usize = 32;
/// The kind of the catalog's documents that are tails of packs.
const TAIL_KIND: &str = "pack tail";

/// A pack whose tail may be read.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: PackId,
    /// The position of the tail, if an index states it.
    place: Option<PackRef>,
    /// The size of the pack in the store, if a list showed it.
    seen_bytes: Option<u64>,
}

/// The packs of a store, as a list shows them.
struct Listed {
    packs: Vec<(SystemTime, PackId, u64)>,
    archived: BTreeSet<PackId>,
    /// Whether the store has no other packs.
    is_whole: bool,
}

/// The place of indexes, and the name of the index that is being made.
pub(crate) struct Beside<'a> {
    pub(crate) place: &'a dyn Store,
    pub(crate) name: &'a str,
}

/// Reads the tails of a store's packs.
pub(crate) struct Learner<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) reliance: &'a Reliance,
    /// The catalog that remembers tails. The packs of a local store are read as fast without it.
    pub(crate) catalog: Option<&'a Catalog>,
    pub(crate) progress: &'a dyn Progress,
}

impl Learner<'_> {
    /// Learns what the packs of `like` hold. If `like` is empty, the packs of the last releases and those that came
    /// after them are read, or the newest ones of the store if the image has no earlier release.
    pub(crate) async fn learn(&self, like: &[Index], beside: Option<Beside<'_>>) -> Result<StoreContents, SyncError> {
        let (mut candidates, archived) = match like {
            [] => self.find(beside).await?,
            like => (packs_of(like), BTreeSet::new()),
        };
        candidates.retain(|candidate| !self.reliance.is_condemned(&candidate.id));
        let mut known = StoreContents::default();
        known.damaged.extend(&archived);
        candidates.retain(|candidate| !archived.contains(&candidate.id));
        known.archived = archived;
        self.read(candidates, !like.is_empty(), &mut known).await?;
        Ok(known)
    }

    /// The packs that are worth reading if no similar image is given, the most promising ones first, and the archived
    /// packs.
    async fn find(&self, beside: Option<Beside<'_>>) -> Result<(Vec<Candidate>, BTreeSet<PackId>), SyncError> {
        let Listed { packs, archived, is_whole } = self.list().await?;
        let mut near = match beside.filter(|_| packs.len() > OLDER_PACKS) {
            Some(beside) => neighbours::read(&beside).await,
            None => Vec::new(),
        };
        let seen: BTreeMap<PackId, u64> = packs.iter().map(|(_, id, bytes)| (*id, *bytes)).collect();
        // Indexes of images in another store may lie beside the new one.
        near.retain(|found| !is_whole || found.index.packs.iter().any(|pack| seen.contains_key(&pack.id)));
        let since = near.iter().filter(|found| found.is_release).map(|found| found.modified).min();
        let mut candidates = Vec::new();
        if since.is_some() || packs.len() > self.most_packs() {
            candidates = packs_of(near.iter().map(|found| &found.index));
            candidates.iter_mut().for_each(|candidate| candidate.seen_bytes = seen.get(&candidate.id).copied());
            candidates.retain(|candidate| candidate.seen_bytes.is_some() || !is_whole);
        }
        let named: BTreeSet<PackId> = candidates.iter().map(|candidate| candidate.id).collect();
        let others = packs.into_iter().filter(|(_, id, _)| !named.contains(id));
        let (newer, older): (Vec<_>, Vec<_>) = others.partition(|(time, ..)| since.is_none_or(|since| *time >= since));
        let others = newer.into_iter().chain(older.into_iter().take(OLDER_PACKS));
        candidates.extend(others.map(|(_, id, bytes)| Candidate { id, place: None, seen_bytes: Some(bytes) }));
        Ok((candidates, archived))
    }

    /// The most listed packs that are read.
    fn most_packs(&self) -> usize {
        if self.store.is_local() { LISTED_PACKS } else { REMOTE_PACKS }
    }

    /// Lists the packs of the store, newest first. In a very large store, only some packs are listed.
    async fn list(&self) -> Result<Listed, SyncError> {
        let mut found = Listed { packs: Vec::new(), archived: BTreeSet::new(), is_whole: true };
        let mut packs = list_packs(self.store);
        while let Some(pack) = packs.next().await {
            let (id, info) = pack?;
            if info.is_archived {
                found.archived.insert(id);
                continue;
            }
            found.packs.push((info.modified, id, info.bytes));
            if found.packs.len() >= LISTED_PACKS {
                self.progress.warn_of(&SyncWarning::PacksUnlisted);
                found.is_whole = false;
                break;
            }
        }
        if !found.archived.is_empty() {
            let (count, store) = (found.archived.len(), self.store.location());
            self.progress.warn(&format!(
                "{store}: {count} packs are archived and cannot be read at once; what they hold will be stored again"
            ));
        }
        found.packs.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Reads the tails of packs, in order, until enough is known.
    async fn read(&self, candidates: Vec<Candidate>, all: bool, known: &mut StoreContents) -> Result<(), SyncError> {
        let (mut fetched, mut chunks) = (0, 0);
        let mut ends = stream::iter(candidates).map(|candidate| self.end_of(candidate)).buffered(IN_FLIGHT);
        while let Some((id, end)) = ends.next().await {
            match end {
                Ok((tail, was_fetched)) => {
                    fetched += usize::from(was_fetched);
                    chunks += tail.records.len();
                    known.add(id, &tail);
                }
                Err(error) if is_about_the_pack(&error) => {
                    self.progress.warn(&format!("{error}; what it holds will be stored again"));
                    known.damaged.insert(id);
                    if error.is_archived() {
                        known.archived.insert(id);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if chunks >= KNOWN_CHUNKS || (!all && fetched >= self.most_packs()) {
                self.progress.warn_of(&SyncWarning::PacksUnread);
                break;
            }
        }
        Ok(())
    }

    /// The tail of a pack that is in the store now, and whether it had to be fetched.
    async fn end_of(&self, candidate: Candidate) -> (PackId, Result<(PackTail, bool), StoreError>) {
        (candidate.id, self.find_end(candidate).await)
    }

    async fn find_end(&self, candidate: Candidate) -> Result<(PackTail, bool), StoreError> {
        let name = pack_name(&candidate.id);
        if let Some((tail, bytes)) = self.remembered(&candidate.id) {
            // An object that is not as long as its pack was cut off, whatever the tail said.
            let is_usable = |found: ObjectInfo| found.bytes == bytes && !found.is_archived;
            let is_there = match candidate.seen_bytes {
                Some(seen) => seen == bytes,
                None => self.store.stat(&name).await?.is_some_and(is_usable),
            };
            if is_there {
                return Ok((tail, false));
            }
        }
        let (bytes, tail) = match candidate.place {
            Some(place) => read_tail_at(self.store, &name, &place).await?,
            None => read_tail(self.store, &candidate.id).await?,
        };
        if let Some(catalog) = self.catalog {
            catalog.put_document(TAIL_KIND, &candidate.id.to_string(), &bytes);
        }
        Ok((tail, true))
    }

    /// A tail from the catalog, and the size of its pack.
    fn remembered(&self, id: &PackId) -> Option<(PackTail, u64)> {
        let bytes = Bytes::from(self.catalog?.get_document(TAIL_KIND, &id.to_string())?);
        // The trailer states the size of the pack, and the whole tail is checked against it.
        let trailer = bytes.get(bytes.len().checked_sub(TRAILER_BYTES as usize)?..)?;
        let size = Trailer::stated_bytes(trailer)?;
        Some((PackTail::decode(&bytes, size).ok()?, size))
    }
}

/// Reads the tail of a pack at the position that an index states.
async fn read_tail_at(
    store: &(impl ReadStore + ?Sized),
    name: &str,
    place: &PackRef,
) -> Result<(Bytes, PackTail), StoreError> {
    let download = store.get(name, Span::Range(place.tail_at..place.bytes)).await?;
    let damaged = |reason: String| StoreError::Damaged { object: format!("{}/{name}", store.location()), reason };
    if let Some(bytes) = download.object_bytes.filter(|&bytes| bytes != place.bytes) {
        return Err(damaged(format!("it has {bytes} bytes, not {}", place.bytes)));
    }
    let bytes = download.bytes().await?;
    let tail = PackTail::decode(&bytes, place.bytes).map_err(|error| damaged(error.to_string()))?;
    Ok((bytes, tail))
}

/// The packs that indexes name, each once, in the order of first use.
fn packs_of<'i>(indexes: impl IntoIterator<Item = &'i Index>) -> Vec<Candidate> {
    let mut seen = BTreeSet::new();
    let packs = indexes.into_iter().flat_map(|index| &index.packs).filter(|pack| seen.insert(pack.id));
    packs.map(|pack| Candidate { id: pack.id, place: Some(*pack), seen_bytes: None }).collect()
}

fn is_about_the_pack(error: &StoreError) -> bool {
    // If a host keeps giving the same answer for one object, the error is about that object too.
    matches!(
        error,
        StoreError::NotFound { .. }
            | StoreError::Damaged { .. }
            | StoreError::Protocol { .. }
            | StoreError::Short { .. }
            | StoreError::Status { .. }
            | StoreError::Answer { .. }
    ) || error.is_archived()
}
