//! The delivery of frames: each is decompressed, its chunks are verified, and the wanted ones go to their places.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use regrow_chunker::{ChunkId, Record, VerifiedRuns};
use regrow_local::{Ordered, StreamChunks};

use super::cache::FrameCache;
use super::fetch::{Fetcher, FrameBytes, Origin, RangeJob, StoreSet};
use super::open_frame::{OpenFrame, chunks};
use super::packs::Packs;
use crate::{Stage, SyncError};

/// The most frames that may wait in the pool.
const FRAMES_IN_FLIGHT: usize = 8;

/// A verified chunk: its number in its stream, and the range of its bytes in its frame.
pub(crate) type Placed = (usize, Range<usize>);

/// A function that puts the wanted chunks of a frame where they belong. It gets the frame's plain bytes, of which it
/// can take only those that were verified, and each of the chunks once.
pub(crate) type Sink = Arc<dyn Fn(&VerifiedRuns<Bytes>, &[Placed]) -> Result<(), SyncError> + Send + Sync>;

/// A number of chunks, and their plain bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, chunks: u64, bytes: u64) {
        self.chunks += chunks;
        self.bytes += bytes;
    }

    pub(crate) fn remove(&mut self, chunks: u64, bytes: u64) {
        self.chunks = self.chunks.saturating_sub(chunks);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The chunks that were delivered, by where they came from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delivered {
    pub(crate) cache: Tally,
    pub(crate) store: Tally,
}

/// Fetches chunks that lie in frames, verifies them, and hands them to a sink.
pub(crate) struct Delivery<'a> {
    pub(crate) fetcher: &'a Fetcher<'a>,
    pub(crate) packs: &'a Packs,
    pub(crate) stream: Arc<StreamChunks>,
    pub(crate) sink: Sink,
}

/// The outcome of one frame.
struct Done {
    pack: u32,
    frame: u32,
    origin: Origin,
    excluded: StoreSet,
    /// Whether only a part of the frame was fetched.
    is_part: bool,
    /// The first wanted chunk whose bytes do not match its id.
    damaged: Option<ChunkId>,
    /// The numbers of the chunks that were handed on.
    placed: Vec<usize>,
    written: Result<(), SyncError>,
}

/// The chunks that have arrived, each counted once. A frame of which one part was damaged is fetched whole, so the
/// chunks of its other parts arrive again.
struct Arrived {
    stream: Arc<StreamChunks>,
    chunks: Vec<bool>,
    counts: Delivered,
}

impl Arrived {
    fn new(stream: &Arc<StreamChunks>) -> Self {
        Self { stream: Arc::clone(stream), chunks: vec![false; stream.len()], counts: Delivered::default() }
    }

    fn add(&mut self, chunks: &[usize], is_cached: bool) {
        let tally = if is_cached { &mut self.counts.cache } else { &mut self.counts.store };
        for &chunk in chunks {
            if !std::mem::replace(&mut self.chunks[chunk], true) {
                tally.add(1, u64::from(self.stream.record(chunk).len));
            }
        }
    }
}

/// The chunks that are wanted, to be looked up by id.
pub(crate) struct Wanted {
    stream: Arc<StreamChunks>,
    /// Each wanted chunk with the pack and the frame that it comes from, sorted by id, then by frame. So one search
    /// finds all uses of a chunk, however often the image has it.
    chunks: Vec<(u32, (u32, u32))>,
}

impl Delivery<'_> {
    /// Fetches, verifies and hands on `chunks`. Each comes with its pack and its frame.
    pub(crate) fn run(&self, chunks: Vec<(u32, (u32, u32))>) -> Result<Delivered, SyncError> {
        let frames: BTreeSet<(u32, u32)> = chunks.iter().map(|&(_, frame)| frame).collect();
        let frames: Vec<(u32, u32)> = frames.into_iter().collect();
        let wanted = Arc::new(Wanted::new(&self.stream, chunks));
        let mut arrived = Arrived::new(&self.stream);
        let ranges = self.fetcher.ranges(self.packs, &frames, self.by_chunk(&wanted));
        let total = ranges.iter().map(RangeJob::bytes).sum();
        self.fetcher.progress.begin(Stage::Fetch, Some(total));
        let mut bad = self.round(&frames, 0, false, &wanted, &mut arrived)?;
        while !bad.is_empty() {
            let mut by_excluded: BTreeMap<StoreSet, Vec<(u32, u32)>> = BTreeMap::new();
            for done in &bad {
                let has_store = |excluded| !self.fetcher.stores.health.order(excluded).is_empty();
                let excluded = match done.origin {
                    // The frame's sizes may be misleading about how it is stored. Fetching the whole frame settles
                    // that, from another store if there is one.
                    Origin::Store(number) if done.is_part && !has_store(done.excluded | 1 << number) => done.excluded,
                    Origin::Store(number) => done.excluded | 1 << number,
                    Origin::Table { .. } | Origin::Cache => 0,
                };
                if !has_store(excluded) {
                    return Err(self.damaged(done));
                }
                by_excluded.entry(excluded).or_default().push((done.pack, done.frame));
            }
            bad.clear();
            for (excluded, mut frames) in by_excluded {
                frames.sort_unstable();
                frames.dedup();
                bad.extend(self.round(&frames, excluded, true, &wanted, &mut arrived)?);
            }
        }
        self.fetcher.progress.end(Stage::Fetch);
        Ok(arrived.counts)
    }

    /// Tries each of these frames once, and returns those that were damaged.
    fn round(
        &self,
        frames: &[(u32, u32)],
        excluded: StoreSet,
        is_retry: bool,
        wanted: &Arc<Wanted>,
        arrived: &mut Arrived,
    ) -> Result<Vec<Done>, SyncError> {
        let (mut queue, mut bad) = (Ordered::new(FRAMES_IN_FLIGHT), Vec::new());
        let mut remote = Vec::new();
        for &(pack, frame) in frames {
            let local = if is_retry { None } else { self.local(pack, frame) };
            match local {
                Some(found) => self.submit(found, wanted, &mut queue),
                None => remote.push((pack, frame)),
            }
            while let Some(done) = queue.next_due()? {
                self.take(done, arrived, &mut bad)?;
            }
        }
        if !remote.is_empty() && self.fetcher.stores.stores.is_empty() {
            return Err(SyncError::StoreNeeded);
        }
        let by_chunk = self.by_chunk(wanted).filter(|_| !is_retry);
        let mut arriving = self.fetcher.start(self.fetcher.ranges(self.packs, &remote, by_chunk), excluded);
        while let Some(frame) = arriving.blocking_recv() {
            let frame = frame?;
            self.fetcher.progress.add(Stage::Fetch, frame.bytes.len() as u64);
            self.submit(frame, wanted, &mut queue);
            while let Some(done) = queue.next_due()? {
                self.take(done, arrived, &mut bad)?;
            }
        }
        while let Some(done) = queue.next()? {
            self.take(done, arrived, &mut bad)?;
        }
        Ok(bad)
    }

    /// Returns `wanted` if single chunks of a frame may be fetched. From a local store, whole frames are read.
    fn by_chunk<'w>(&self, wanted: &'w Wanted) -> Option<&'w Wanted> {
        (!self.fetcher.first_store_is_local()).then_some(wanted)
    }

    /// Returns a frame that need not be fetched: it came with its table, or a cache has it.
    fn local(&self, pack: u32, frame: u32) -> Option<FrameBytes> {
        let table = self.packs.table(pack)?;
        if let Some(bytes) = table.held(table.frames.get(frame as usize)?) {
            let origin = Origin::Table { is_cached: table.is_cached };
            return Some(FrameBytes { pack, frame, bytes, part: None, origin, excluded: 0 });
        }
        let bytes = self.fetcher.cached(&self.packs.id(pack), &table.frames.get(frame as usize)?.stored)?;
        Some(FrameBytes { pack, frame, bytes, part: None, origin: Origin::Cache, excluded: 0 })
    }

    fn submit(&self, frame: FrameBytes, wanted: &Arc<Wanted>, queue: &mut Ordered<Done>) {
        let Some(table) = self.packs.table(frame.pack) else { return };
        let Some(entry) = table.frames.get(frame.frame as usize).cloned() else { return };
        let records = records_within(table.records_of(&entry), frame.part.as_ref());
        let (wanted, sink) = (Arc::clone(wanted), Arc::clone(&self.sink));
        let caches: Vec<FrameCache> = if matches!(frame.origin, Origin::Store(_)) && frame.part.is_none() {
            self.fetcher.caches_for(&self.stream)
        } else {
            Vec::new()
        };
        let pack_id = self.packs.id(frame.pack);
        queue.push(self.fetcher.pool.submit(move || {
            let FrameBytes { pack, frame, bytes, part, origin, excluded } = frame;
            let (is_part, placed) = (part.is_some(), Vec::new());
            let mut done = Done { pack, frame, origin, excluded, is_part, damaged: None, placed, written: Ok(()) };
            match OpenFrame::open(bytes, (entry.plain_bytes, part), &records, |id| wanted.has(id)) {
                Ok(opened) => {
                    caches.iter().for_each(|cache| cache.put_frame(&pack_id, &entry.stored, &opened));
                    match hand_on(opened.plain(), &records, (pack, frame), &wanted, &sink) {
                        Ok(placed) => done.placed = placed,
                        Err(error) => done.written = Err(error),
                    }
                }
                Err(id) => done.damaged = Some(id),
            }
            done
        }));
    }

    fn take(&self, done: Done, arrived: &mut Arrived, bad: &mut Vec<Done>) -> Result<(), SyncError> {
        if done.damaged.is_some() {
            match done.origin {
                Origin::Cache => self.forget(&done),
                Origin::Table { is_cached: true } => self.fetcher.forget_end(done.pack),
                _ => {}
            }
            bad.push(done);
            return Ok(());
        }
        let is_cached = matches!(done.origin, Origin::Cache | Origin::Table { is_cached: true });
        arrived.add(&done.placed, is_cached);
        done.written
    }

    /// Removes a damaged frame from the caches.
    fn forget(&self, done: &Done) {
        let entry = self.packs.table(done.pack).and_then(|table| table.frames.get(done.frame as usize));
        if let Some(entry) = entry {
            self.fetcher.caches().for_each(|cache| cache.remove(&self.packs.id(done.pack), &entry.stored));
        }
    }

    fn damaged(&self, done: &Done) -> SyncError {
        let stores: Vec<&str> = self.fetcher.stores.stores.iter().map(|store| store.location()).collect();
        let id = done.damaged.unwrap_or_default();
        SyncError::Damaged { id, pack: self.packs.id(done.pack), stores: stores.join(", ") }
    }
}

impl Wanted {
    pub(crate) fn new(stream: &Arc<StreamChunks>, mut chunks: Vec<(u32, (u32, u32))>) -> Self {
        chunks.sort_unstable_by_key(|&(chunk, frame)| (stream.record(chunk as usize).id, frame, chunk));
        Self { stream: Arc::clone(stream), chunks }
    }

    fn id(&self, chunk: u32) -> ChunkId {
        self.stream.record(chunk as usize).id
    }

    /// Whether a chunk of this id is wanted from any frame.
    fn has(&self, id: &ChunkId) -> bool {
        let first = self.chunks.partition_point(|&(chunk, _)| self.id(chunk) < *id);
        self.chunks.get(first).is_some_and(|&(chunk, _)| self.id(chunk) == *id)
    }

    /// The wanted chunks of this id that come from this frame. A chunk assigned to another frame that also has it is
    /// not among them.
    pub(crate) fn of_frame(&self, id: &ChunkId, frame: (u32, u32)) -> impl Iterator<Item = u32> + '_ {
        let wanted = (*id, frame);
        let first = self.chunks.partition_point(|&(chunk, frame)| (self.id(chunk), frame) < wanted);
        let rest = &self.chunks[first..];
        let count = rest.partition_point(|&(chunk, frame)| (self.id(chunk), frame) == wanted);
        rest[..count].iter().map(|&(chunk, _)| chunk)
    }
}

impl Fetcher<'_> {
    /// The caches that keep frames of this stream.
    fn caches_for(&self, stream: &Arc<StreamChunks>) -> Vec<FrameCache> {
        let side = self.side_cache.iter().filter(|_| stream.is_skeleton());
        side.chain(&self.cache).cloned().collect()
    }
}

/// The chunks of a frame that lie within a part of it.
fn records_within(records: &[Record], part: Option<&Range<u64>>) -> Vec<Record> {
    let Some(part) = part else { return records.to_vec() };
    let is_within = |chunk: &Range<usize>| part.start <= chunk.start as u64 && chunk.end as u64 <= part.end;
    chunks(records).filter(|(_, chunk)| is_within(chunk)).map(|(record, _)| *record).collect()
}

/// Hands the wanted chunks of a frame to the sink, and returns their numbers.
fn hand_on(
    plain: &VerifiedRuns<Bytes>,
    records: &[Record],
    frame: (u32, u32),
    wanted: &Wanted,
    sink: &Sink,
) -> Result<Vec<usize>, SyncError> {
    let mut placed = Vec::new();
    for (record, range) in chunks(records) {
        for chunk in wanted.of_frame(&record.id, frame) {
            // The index may state another length than the pack does. Such a chunk has the right id, but would land in
            // the wrong place.
            if wanted.stream.record(chunk as usize).len != record.len {
                return Err(SyncError::ChunkLength { id: record.id });
            }
            placed.push((chunk as usize, range.clone()));
        }
    }
    sink(plain, &placed)?;
    Ok(placed.into_iter().map(|(chunk, _)| chunk).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_comes_from_its_frame_alone() {
        let record = |name: &[u8]| Record { id: ChunkId::of(name), len: 1 };
        let (a, b, c) = (record(b"a"), record(b"b"), record(b"c"));
        let stream = Arc::new(StreamChunks::new(false, vec![a, b, a, a, c, a]));
        let wanted = Wanted::new(&stream, vec![(0, (1, 7)), (1, (1, 7)), (2, (1, 8)), (3, (1, 7))]);
        let of_frame = |record: &Record, frame| wanted.of_frame(&record.id, frame).collect::<Vec<u32>>();
        assert_eq!((of_frame(&a, (1, 7)), of_frame(&a, (1, 8))), (vec![0, 3], vec![2]));
        assert_eq!((of_frame(&b, (1, 7)), of_frame(&b, (0, 7))), (vec![1], vec![]));
        assert!(wanted.has(&a.id) && wanted.has(&b.id) && !wanted.has(&c.id));
        let sunk = Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = Arc::clone(&sunk);
        let sink: Sink = Arc::new(move |_, placed| {
            kept.lock().unwrap().push(placed.to_vec());
            Ok(())
        });
        let placed = hand_on(&VerifiedRuns::unverified(Bytes::new()), &[b, c, a], (1, 7), &wanted, &sink).unwrap();
        assert_eq!(*sunk.lock().unwrap(), [vec![(1, 0..1), (0, 2..3), (3, 2..3)]]);
        assert_eq!(placed, [1, 0, 3]);
        let mut arrived = Arrived::new(&stream);
        arrived.add(&placed, false);
        arrived.add(&[0, 2], true);
        assert_eq!((arrived.counts.store.chunks, arrived.counts.cache.chunks), (3, 1));
    }
}
