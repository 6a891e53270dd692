//! Fetches frames and the ends of packs: from a cache if it has them, else from the stores in few long ranges.
//!
//! Several requests are in flight at a time. When a store fails, the next one is asked, and the first again later. What
//! arrives is verified before it is used, and anything damaged is asked for from another store.

mod ranges;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use regrow_chunker::PackId;
use regrow_index::{Index, PackRef};
use regrow_local::Pool;
use regrow_store::{Failover, ReadStore, Span, StoreError, pack_name};
use tokio::sync::mpsc;

use super::cache::FrameCache;
use super::prefetch::Prefetch;
use super::rest::Rest;
use super::slicer::Slicer;
use crate::{Location, Network, Progress, SyncError};

pub(crate) use ranges::{GAP_BYTES, Piece, RangeJob, join};

/// The number of requests in flight, unless a flow sets another.
pub(crate) const DEFAULT_CONNECTIONS: usize = 6;
/// The most frames that may wait between the network and the pool.
const FRAMES_WAITING: usize = 12;

/// Fetches what one index names.
pub(crate) struct Fetcher<'a> {
    pub(crate) network: &'a Network,
    pub(crate) stores: Remotes<'a>,
    /// The location of the index, for errors.
    pub(crate) location: &'a Location,
    /// The index whose packs are fetched.
    pub(crate) index: &'a Index,
    /// What is left of the index, if it does not say yet where its chunks lie.
    pub(crate) rest: Option<&'a Rest<'a>>,
    pub(crate) connections: usize,
    /// Whether packs are asked for whole if nearly all of one is wanted. Their tables then come twice.
    pub(crate) takes_whole_packs: bool,
    /// The ends of packs that are already being fetched.
    pub(crate) prefetch: Option<&'a Prefetch<'a>>,
    /// A cache of everything that is fetched.
    pub(crate) cache: Option<FrameCache>,
    /// A cache of tables and skeletons beside an unfinished output. The output itself holds only contents, which can be
    /// checked in place.
    pub(crate) side_cache: Option<FrameCache>,
    pub(crate) pool: &'a Pool,
    pub(crate) progress: &'a dyn Progress,
}

/// The stores of a run, and their health.
#[derive(Clone, Copy)]
pub(crate) struct Remotes<'a> {
    pub(crate) stores: &'a [Arc<dyn ReadStore>],
    pub(crate) health: &'a Arc<Failover>,
    /// The number of rounds in which all stores are asked in turn, as long as the error is transient.
    pub(crate) rounds: u32,
}

/// A set of stores, with a bit for the number of each. It marks those that have sent damaged bytes of an object.
pub(crate) type StoreSet = u64;

/// The source of a frame's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They came with the table, which may have been cached.
    Table { is_cached: bool },
    /// They came from a cache.
    Cache,
    /// They came from the store of this number.
    Store(usize),
}

/// The stored bytes of a frame or of a part of it, not yet verified.
pub(crate) struct FrameBytes {
    pub(crate) pack: u32,
    pub(crate) frame: u32,
    pub(crate) bytes: Bytes,
    /// The range of plain bytes that these are, if they are a part of a frame that is stored uncompressed.
    pub(crate) part: Option<Range<u64>>,
    pub(crate) origin: Origin,
    /// The stores that were not asked.
    pub(crate) excluded: StoreSet,
}

/// The end of a pack, which has been checked.
pub(crate) struct FetchedEnd {
    pub(crate) pack: u32,
    pub(crate) bytes: Bytes,
    pub(crate) is_cached: bool,
}

impl Fetcher<'_> {
    /// The index, with the packs of its chunks. If only its head was read, the rest is read now.
    pub(crate) fn index_with_packs(&self) -> Result<&Index, SyncError> {
        match self.rest {
            Some(rest) => rest.index(self.network, self.location),
            None => Ok(self.index),
        }
    }

    /// A pack of the index.
    pub(super) fn pack_ref(&self, pack: u32) -> &PackRef {
        &self.rest.and_then(Rest::found).unwrap_or(self.index).packs[pack as usize]
    }

    pub(crate) fn caches(&self) -> impl Iterator<Item = &FrameCache> {
        self.side_cache.iter().chain(&self.cache)
    }

    /// Removes the end of a pack from the caches, because its frames turned out to be damaged.
    pub(crate) fn forget_end(&self, pack: u32) {
        let PackRef { id, bytes, skeleton_at, tail_at } = self.pack_ref(pack);
        for start in [skeleton_at, tail_at] {
            self.caches().for_each(|cache| cache.remove(id, &(*start..*bytes)));
        }
    }

    /// Whether the first store is a host on the web, so that caches may stand before it.
    pub(crate) fn first_store_is_a_host(&self) -> bool {
        self.stores.stores.first().is_some_and(|store| !store.is_local() && store.backend().is_none())
    }

    /// Whether the first store is local, or there is none.
    pub(crate) fn first_store_is_local(&self) -> bool {
        self.stores.stores.first().is_none_or(|store| store.is_local())
    }

    /// Whether a cache has exactly these bytes of a pack.
    pub(crate) fn is_cached(&self, pack: &PackId, stored: &Range<u64>) -> bool {
        self.caches().any(|cache| cache.holds(pack, stored))
    }

    /// Returns these bytes of a pack from a cache.
    pub(crate) fn cached(&self, pack: &PackId, stored: &Range<u64>) -> Option<Bytes> {
        self.caches().find_map(|cache| cache.get(pack, stored))
    }

    /// Reads the ends of packs. An end that `check` refuses is asked for from another store.
    pub(crate) fn fetch_ends(
        &self,
        wanted: &[(u32, Range<u64>)],
        check: impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Result<Vec<FetchedEnd>, SyncError> {
        let (mut found, mut remote) = (Vec::new(), Vec::new());
        for (pack, range) in wanted {
            if let Some(bytes) = self.cached_end(*pack, range, &check) {
                found.push(FetchedEnd { pack: *pack, bytes, is_cached: true });
            } else if let Some(bytes) = self.prefetched_end(*pack, range, &check) {
                self.keep_end(*pack, range, &bytes);
                found.push(FetchedEnd { pack: *pack, bytes, is_cached: false });
            } else {
                remote.push((*pack, range.clone()));
            }
        }
        let requests = remote.iter().map(|(pack, range)| self.fetch_end(*pack, range.clone(), &check));
        let fetched = stream::iter(requests).buffered(self.connections).collect::<Vec<_>>();
        for ((pack, range), bytes) in remote.iter().zip(self.network.block_on(fetched)) {
            let bytes = bytes?;
            self.keep_end(*pack, range, &bytes);
            found.push(FetchedEnd { pack: *pack, bytes, is_cached: false });
        }
        Ok(found)
    }

    fn keep_end(&self, pack: u32, range: &Range<u64>, bytes: &Bytes) {
        let id = &self.pack_ref(pack).id;
        self.caches().for_each(|cache| cache.put_end(id, range, bytes));
    }

    /// Takes an end that was fetched while a seed was being read.
    fn prefetched_end(
        &self,
        pack: u32,
        range: &Range<u64>,
        check: &impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Option<Bytes> {
        self.prefetch?.take(pack, range).filter(|bytes| check(pack, bytes).is_ok())
    }

    fn cached_end(
        &self,
        pack: u32,
        range: &Range<u64>,
        check: &impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Option<Bytes> {
        let id = &self.pack_ref(pack).id;
        self.caches().find_map(|cache| {
            let bytes = cache.get(id, range)?;
            if check(pack, &bytes).is_ok() {
                return Some(bytes);
            }
            cache.remove(id, range);
            None
        })
    }

    async fn fetch_end(
        &self,
        pack: u32,
        range: Range<u64>,
        check: &impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Result<Bytes, StoreError> {
        let name = pack_name(&self.pack_ref(pack).id);
        let mut last = None;
        for _ in 0..self.stores.rounds {
            for number in self.stores.health.order(0) {
                let store = &self.stores.stores[number];
                let fetched = async { store.get(&name, Span::Range(range.clone())).await?.bytes().await };
                match fetched.await.and_then(|bytes| check(pack, &bytes).map(|()| bytes)) {
                    Ok(bytes) => {
                        self.stores.health.succeeded(number);
                        return Ok(bytes);
                    }
                    Err(error) => {
                        self.stores.health.failed(number, &error);
                        last = Some(name_store(error, store.as_ref()));
                    }
                }
            }
            if !last.as_ref().is_some_and(StoreError::is_transient) {
                break;
            }
        }
        Err(last.unwrap_or(StoreError::NotFound { object: name, status: None }))
    }

    /// Starts to fetch ranges of frames from all stores that are not in `excluded`. The frames arrive in any order.
    pub(crate) fn start(
        &self,
        jobs: Vec<RangeJob>,
        excluded: StoreSet,
    ) -> mpsc::Receiver<Result<FrameBytes, StoreError>> {
        let (frames, arriving) = mpsc::channel(FRAMES_WAITING);
        let (stores, health, rounds) =
            (self.stores.stores.to_vec(), Arc::clone(self.stores.health), self.stores.rounds);
        let connections = self.connections;
        let names: Vec<String> = jobs.iter().map(|job| pack_name(&self.pack_ref(job.pack).id)).collect();
        self.network.runtime().spawn(async move {
            let remotes = Remotes { stores: &stores, health: &health, rounds };
            let fetch = |(job, name): (RangeJob, String)| fetch_range(remotes, excluded, job, name, frames.clone());
            stream::iter(jobs.into_iter().zip(names)).for_each_concurrent(connections, fetch).await;
        });
        arriving
    }
}

/// Fetches one range, frame by frame. If a store fails, the next one is asked for the rest.
async fn fetch_range(
    remotes: Remotes<'_>,
    excluded: StoreSet,
    mut job: RangeJob,
    name: String,
    frames: mpsc::Sender<Result<FrameBytes, StoreError>>,
) {
    let mut last = None;
    for _ in 0..remotes.rounds {
        for number in remotes.health.order(excluded) {
            let source = Source { store: remotes.stores[number].as_ref(), number, excluded };
            match stream_frames(&source, &mut job, &name, &frames).await {
                Ok(()) => return remotes.health.succeeded(number),
                Err(error) => {
                    remotes.health.failed(number, &error);
                    last = Some(name_store(error, source.store));
                }
            }
        }
        if !last.as_ref().is_some_and(StoreError::is_transient) {
            break;
        }
    }
    let error = last.unwrap_or(StoreError::NotFound { object: name, status: None });
    // This fails only if nobody waits for frames any more.
    let _ = frames.send(Err(error)).await;
}

/// The store that is being asked.
struct Source<'a> {
    store: &'a dyn ReadStore,
    number: usize,
    excluded: StoreSet,
}

/// Asks one store for the rest of a range. Each frame that is handed on is taken off `job`.
async fn stream_frames(
    source: &Source<'_>,
    job: &mut RangeJob,
    name: &str,
    frames: &mpsc::Sender<Result<FrameBytes, StoreError>>,
) -> Result<(), StoreError> {
    let mut left = job.bytes();
    let Some((span, start)) = job.span() else { return Ok(()) };
    let mut slicer = Slicer::new(start);
    let mut body = source.store.get(name, span).await?.body;
    while let Some(piece) = body.next().await {
        // What follows the frames in a whole pack is read to its end, so that caches keep the pack. It may fail.
        if job.pieces.is_empty() {
            left = left.saturating_sub(piece.map_or(left, |piece| piece.len() as u64));
            if left == 0 {
                break;
            }
            continue;
        }
        let piece = piece?;
        left = left.saturating_sub(piece.len() as u64);
        slicer.push(&piece);
        while let Some(bytes) = job.pieces.front().and_then(|piece| slicer.take(&piece.stored)) {
            let Some(Piece { frame, part, .. }) = job.pieces.pop_front() else { break };
            let (origin, excluded) = (Origin::Store(source.number), source.excluded);
            let frame = FrameBytes { pack: job.pack, frame, bytes, part, origin, excluded };
            if frames.send(Ok(frame)).await.is_err() {
                return Ok(());
            }
        }
    }
    if job.pieces.is_empty() {
        return Ok(());
    }
    Err(StoreError::Protocol { object: name.to_owned(), reason: "the body ended early".into() })
}

/// Adds the store's location to an error of a decoder, which knows only the object.
fn name_store(error: StoreError, store: &dyn ReadStore) -> StoreError {
    match error {
        StoreError::Damaged { object, reason } if !object.starts_with(store.location()) => {
            StoreError::Damaged { object: format!("{}/{object}", store.location()), reason }
        }
        other => other,
    }
}
