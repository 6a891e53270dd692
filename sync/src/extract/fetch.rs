//! Getting frames: from the cache, then in few long ranges from the stores, several requests in flight, with fail-over from one
//! store to the next. What arrives is verified before it is handed on; what is damaged is asked for elsewhere.

mod delivery;
mod ranges;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use regrow_index::PackRef;
use regrow_store::{ReadStore, Span, StoreError, pack_name};
use tokio::sync::mpsc;

use super::cache::FrameCache;
use super::packs::Packs;
use crate::pool::Pool;
use crate::slicer::Slicer;
use crate::{Network, Progress, SyncError};

pub(crate) use delivery::Delivery;
pub(crate) use ranges::RangeJob;

/// Frames that may wait for a worker, between the network and the pool.
const FRAMES_WAITING: usize = 12;

/// See the module's documentation.
pub(crate) struct Fetcher<'a> {
    pub(crate) network: &'a Network,
    pub(crate) stores: &'a [Arc<dyn ReadStore>],
    pub(crate) packs: &'a [PackRef],
    pub(crate) connections: usize,
    /// Keeps all that is fetched.
    pub(crate) cache: Option<FrameCache>,
    /// Keeps tables and skeletons beside an unfinished output, which holds only contents that can be checked.
    pub(crate) side_cache: Option<FrameCache>,
    pub(crate) pool: &'a Pool,
    pub(crate) progress: &'a dyn Progress,
}

/// Where a frame's bytes are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They came with the table, which came from the cache or not.
    Table { is_cached: bool },
    /// The cache.
    Cache,
    /// The store of this number.
    Store(usize),
}

/// A frame's stored bytes, not verified.
pub(crate) struct FrameBytes {
    pub(crate) pack: u32,
    pub(crate) frame: u32,
    pub(crate) bytes: Bytes,
    pub(crate) origin: Origin,
}

/// The end of a pack, checked.
pub(crate) struct FetchedEnd {
    pub(crate) pack: u32,
    pub(crate) bytes: Bytes,
    pub(crate) is_cached: bool,
}

impl Fetcher<'_> {
    fn caches(&self) -> impl Iterator<Item = &FrameCache> {
        self.side_cache.iter().chain(&self.cache)
    }

    /// Drops the kept end of a pack, whose frames proved to be damaged.
    fn forget_end(&self, pack: u32) {
        let PackRef { id, bytes, skeleton_at, tail_at } = &self.packs[pack as usize];
        for start in [skeleton_at, tail_at] {
            self.caches().for_each(|cache| cache.remove(id, &(*start..*bytes)));
        }
    }

    /// Whether what is fetched first does not go over a network.
    pub(crate) fn first_store_is_local(&self) -> bool {
        self.stores.first().is_none_or(|store| store.is_local())
    }

    /// Whether a frame is in a cache.
    pub(crate) fn is_cached(&self, packs: &Packs, (pack, frame): (u32, u32)) -> bool {
        let Some(entry) = packs.table(pack).and_then(|table| table.frames.get(frame as usize)) else { return false };
        self.caches().any(|cache| cache.holds(&packs.id(pack), &entry.stored))
    }

    /// A frame from a cache.
    fn cached(&self, packs: &Packs, (pack, frame): (u32, u32)) -> Option<Bytes> {
        let entry = packs.table(pack)?.frames.get(frame as usize)?;
        self.caches().find_map(|cache| cache.get(&packs.id(pack), &entry.stored))
    }

    /// Reads the ends of packs. `check` says whether bytes are what they should be; others are asked for elsewhere.
    pub(crate) fn fetch_ends(
        &self,
        wanted: &[(u32, Range<u64>)],
        check: impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Result<Vec<FetchedEnd>, SyncError> {
        let (mut found, mut remote) = (Vec::new(), Vec::new());
        for (pack, range) in wanted {
            match self.cached_end(*pack, range, &check) {
                Some(bytes) => found.push(FetchedEnd { pack: *pack, bytes, is_cached: true }),
                None => remote.push((*pack, range.clone())),
            }
        }
        let requests = remote.iter().map(|(pack, range)| self.fetch_end(*pack, range.clone(), &check));
        let fetched = stream::iter(requests).buffered(self.connections).collect::<Vec<_>>();
        for ((pack, range), bytes) in remote.iter().zip(self.network.block_on(fetched)) {
            let bytes = bytes?;
            let id = &self.packs[*pack as usize].id;
            self.caches().for_each(|cache| cache.put(id, range, &bytes));
            found.push(FetchedEnd { pack: *pack, bytes, is_cached: false });
        }
        Ok(found)
    }

    fn cached_end(
        &self,
        pack: u32,
        range: &Range<u64>,
        check: &impl Fn(u32, &Bytes) -> Result<(), StoreError>,
    ) -> Option<Bytes> {
        let id = &self.packs[pack as usize].id;
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
        let name = pack_name(&self.packs[pack as usize].id);
        let mut last = None;
        for store in self.stores {
            let fetched = async { store.get(&name, Span::Range(range.clone())).await?.bytes().await };
            match fetched.await.and_then(|bytes| check(pack, &bytes).map(|()| bytes)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(name_store(error, store.as_ref())),
            }
        }
        Err(last.unwrap_or(StoreError::NotFound { object: name, status: None }))
    }

    /// Starts to fetch ranges of frames, from the stores from number `first_store` on. Frames come in any order.
    fn start(&self, jobs: Vec<RangeJob>, first_store: usize) -> mpsc::Receiver<Result<FrameBytes, StoreError>> {
        let (frames, arriving) = mpsc::channel(FRAMES_WAITING);
        let (stores, connections) = (self.stores.to_vec(), self.connections);
        let names: Vec<String> = jobs.iter().map(|job| pack_name(&self.packs[job.pack as usize].id)).collect();
        self.network.runtime().spawn(async move {
            let fetch = |(job, name): (RangeJob, String)| fetch_range(&stores, first_store, job, name, frames.clone());
            stream::iter(jobs.into_iter().zip(names)).for_each_concurrent(connections, fetch).await;
        });
        arriving
    }
}

/// Fetches one range, frame by frame; what one store did not give, the next is asked for.
async fn fetch_range(
    stores: &[Arc<dyn ReadStore>],
    first_store: usize,
    mut job: RangeJob,
    name: String,
    frames: mpsc::Sender<Result<FrameBytes, StoreError>>,
) {
    let mut last = None;
    for (number, store) in stores.iter().enumerate().skip(first_store) {
        match stream_frames(store.as_ref(), number, &mut job, &name, &frames).await {
            Ok(()) => return,
            Err(error) => last = Some(name_store(error, store.as_ref())),
        }
    }
    let error = last.unwrap_or(StoreError::NotFound { object: name, status: None });
    // Nobody waits any more if this fails.
    let _ = frames.send(Err(error)).await;
}

/// Asks one store for what is left of a range; takes frames off `job` as they are handed on.
async fn stream_frames(
    store: &dyn ReadStore,
    number: usize,
    job: &mut RangeJob,
    name: &str,
    frames: &mpsc::Sender<Result<FrameBytes, StoreError>>,
) -> Result<(), StoreError> {
    let Some(range) = job.range() else { return Ok(()) };
    let mut slicer = Slicer::new(range.start);
    let mut body = store.get(name, Span::Range(range)).await?.body;
    while let Some(piece) = body.next().await {
        slicer.push(&piece?);
        while let Some((frame, bytes)) = job.frames.front().and_then(|(frame, at)| Some((*frame, slicer.take(at)?))) {
            job.frames.pop_front();
            let frame = FrameBytes { pack: job.pack, frame, bytes, origin: Origin::Store(number) };
            if frames.send(Ok(frame)).await.is_err() {
                return Ok(());
            }
        }
    }
    if job.frames.is_empty() {
        return Ok(());
    }
    Err(StoreError::Protocol { object: name.to_owned(), reason: "the body ended early".into() })
}

/// An error of a decoder knows the object, not where it was read.
fn name_store(error: StoreError, store: &dyn ReadStore) -> StoreError {
    match error {
        StoreError::Damaged { object, reason } if !object.starts_with(store.location()) => {
            StoreError::Damaged { object: format!("{}/{object}", store.location()), reason }
        }
        other => other,
    }
}
