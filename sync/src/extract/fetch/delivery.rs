//! From frames to verified chunks where they belong.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use regrow_chunker::{ChunkId, Record};
use regrow_store::Decompressor;

use super::super::cache::FrameCache;
use super::super::locate::{Counts, Plan, Tally};
use super::super::packs::Packs;
use super::super::target::StreamChunks;
use super::{Fetcher, FrameBytes, Origin, StoreSet};
use crate::pool::Ordered;
use crate::{Stage, SyncError};

/// Frames that may wait in the pool.
const FRAMES_IN_FLIGHT: usize = 8;

/// Puts a verified chunk where it belongs: its number in its stream, and its bytes.
pub(crate) type Sink = Arc<dyn Fn(usize, &[u8]) -> Result<(), SyncError> + Send + Sync>;

/// Brings the chunks of a plan that lie in frames.
pub(crate) struct Delivery<'a> {
    pub(crate) fetcher: &'a Fetcher<'a>,
    pub(crate) packs: &'a Packs,
    pub(crate) stream: Arc<StreamChunks>,
    pub(crate) sink: Sink,
}

/// What became of a frame.
struct Done {
    pack: u32,
    frame: u32,
    origin: Origin,
    excluded: StoreSet,
    /// The first chunk in it that was not what its id says.
    damaged: Option<ChunkId>,
    tally: Tally,
    written: Result<(), SyncError>,
}

/// Which chunks are wanted, by id.
struct Wanted {
    stream: Arc<StreamChunks>,
    by_id: Vec<u32>,
    /// Where each is to come from.
    frames: Vec<(u32, u32)>,
}

impl Delivery<'_> {
    /// Fetches, verifies and hands on; counts into `counts`.
    pub(crate) fn run(&self, plan: &Plan, counts: &mut Counts) -> Result<(), SyncError> {
        let by_id = self.stream.sorted(plan.in_frames());
        let frames = by_id.iter().map(|&chunk| plan.frame_of(chunk).unwrap_or_default()).collect();
        let wanted = Arc::new(Wanted { stream: Arc::clone(&self.stream), by_id, frames });
        let frames = plan.frames();
        let total = self.fetcher.ranges(self.packs, &frames).iter().map(super::RangeJob::bytes).sum();
        self.fetcher.progress.begin(Stage::Fetch, Some(total));
        let mut bad = self.round(&frames, 0, false, &wanted, counts)?;
        while !bad.is_empty() {
            let mut by_excluded: BTreeMap<StoreSet, Vec<(u32, u32)>> = BTreeMap::new();
            for done in &bad {
                let excluded = match done.origin {
                    Origin::Store(number) => done.excluded | 1 << number,
                    Origin::Table { .. } | Origin::Cache => 0,
                };
                if self.fetcher.stores.health.order(excluded).is_empty() {
                    return Err(self.damaged(done));
                }
                by_excluded.entry(excluded).or_default().push((done.pack, done.frame));
            }
            bad.clear();
            for (excluded, mut frames) in by_excluded {
                frames.sort_unstable();
                bad.extend(self.round(&frames, excluded, true, &wanted, counts)?);
            }
        }
        self.fetcher.progress.end(Stage::Fetch);
        Ok(())
    }

    /// One try at all these frames. Returns those that were damaged.
    fn round(
        &self,
        frames: &[(u32, u32)],
        excluded: StoreSet,
        is_retry: bool,
        wanted: &Arc<Wanted>,
        counts: &mut Counts,
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
                self.take(done, counts, &mut bad)?;
            }
        }
        if !remote.is_empty() && self.fetcher.stores.stores.is_empty() {
            return Err(SyncError::Usage("chunks are missing and no store is known; give one with --store".into()));
        }
        let mut arriving = self.fetcher.start(self.fetcher.ranges(self.packs, &remote), excluded);
        while let Some(frame) = arriving.blocking_recv() {
            let frame = frame?;
            self.fetcher.progress.add(Stage::Fetch, frame.bytes.len() as u64);
            self.submit(frame, wanted, &mut queue);
            while let Some(done) = queue.next_due()? {
                self.take(done, counts, &mut bad)?;
            }
        }
        while let Some(done) = queue.next()? {
            self.take(done, counts, &mut bad)?;
        }
        Ok(bad)
    }

    /// A frame that need not be fetched.
    fn local(&self, pack: u32, frame: u32) -> Option<FrameBytes> {
        let table = self.packs.table(pack)?;
        if let Some(bytes) = table.held(table.frames.get(frame as usize)?) {
            let origin = Origin::Table { is_cached: table.is_cached };
            return Some(FrameBytes { pack, frame, bytes, origin, excluded: 0 });
        }
        let bytes = self.fetcher.cached(self.packs, (pack, frame))?;
        Some(FrameBytes { pack, frame, bytes, origin: Origin::Cache, excluded: 0 })
    }

    fn submit(&self, frame: FrameBytes, wanted: &Arc<Wanted>, queue: &mut Ordered<Done>) {
        let Some(table) = self.packs.table(frame.pack) else { return };
        let Some(entry) = table.frames.get(frame.frame as usize).cloned() else { return };
        let records = table.records_of(&entry).to_vec();
        let (wanted, sink) = (Arc::clone(wanted), Arc::clone(&self.sink));
        let caches: Vec<FrameCache> =
            if matches!(frame.origin, Origin::Store(_)) { self.fetcher.caches_for(&self.stream) } else { Vec::new() };
        let pack_id = self.packs.id(frame.pack);
        queue.push(self.fetcher.pool.submit(move || {
            let FrameBytes { pack, frame, bytes, origin, excluded } = frame;
            let mut done =
                Done { pack, frame, origin, excluded, damaged: None, tally: Tally::default(), written: Ok(()) };
            match open_frame(&bytes, entry.plain_bytes, &records, &wanted) {
                Ok(plain) => {
                    caches.iter().for_each(|cache| cache.put(&pack_id, &entry.stored, &bytes));
                    done.written = hand_on(&plain, &records, (pack, frame), &wanted, &sink, &mut done.tally);
                }
                Err(id) => done.damaged = Some(id),
            }
            done
        }));
    }

    fn take(&self, done: Done, counts: &mut Counts, bad: &mut Vec<Done>) -> Result<(), SyncError> {
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
        let tally = if is_cached { &mut counts.cache } else { &mut counts.store };
        tally.add(done.tally.chunks, done.tally.bytes);
        done.written
    }

    /// Drops a damaged frame from the caches.
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
    /// The wanted chunks of this id that are to come from this frame, and not from another that has it too.
    fn of_frame<'w>(&'w self, id: &ChunkId, frame: (u32, u32)) -> impl Iterator<Item = u32> + 'w {
        let first = self.by_id.partition_point(|&chunk| self.stream.record(chunk as usize).id < *id);
        let count = self.stream.with_id(&self.by_id, id).len();
        let range = first..first + count;
        range.filter(move |&at| self.frames[at] == frame).map(|at| self.by_id[at])
    }
}

impl Fetcher<'_> {
    /// Where frames of a stream are kept.
    fn caches_for(&self, stream: &Arc<StreamChunks>) -> Vec<FrameCache> {
        let side = self.side_cache.iter().filter(|_| stream.is_skeleton());
        side.chain(&self.cache).cloned().collect()
    }
}

/// The plain bytes of a frame, if each wanted chunk in it is what its id says; else such a chunk's id.
fn open_frame(bytes: &Bytes, plain_bytes: u64, records: &[Record], wanted: &Wanted) -> Result<Bytes, ChunkId> {
    let first = records.first().map(|record| record.id).unwrap_or_default();
    let mut decompressor = Decompressor::new().map_err(|_| first)?;
    let plain = decompressor.decompress(bytes, plain_bytes).ok_or(first)?;
    for (record, chunk) in chunks(&plain, records) {
        let is_wanted = !wanted.stream.with_id(&wanted.by_id, &record.id).is_empty();
        if is_wanted && ChunkId::of(chunk) != record.id {
            return Err(record.id);
        }
    }
    Ok(plain)
}

/// The chunks of a frame. The table was checked: they fill it.
fn chunks<'f>(plain: &'f [u8], records: &'f [Record]) -> impl Iterator<Item = (&'f Record, &'f [u8])> {
    let mut rest = plain;
    records.iter().map(move |record| {
        let (chunk, after) = rest.split_at(rest.len().min(record.len as usize));
        rest = after;
        (record, chunk)
    })
}

fn hand_on(
    plain: &[u8],
    records: &[Record],
    frame: (u32, u32),
    wanted: &Wanted,
    sink: &Sink,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    for (record, bytes) in chunks(plain, records) {
        for chunk in wanted.of_frame(&record.id, frame) {
            // An index may state another length than the pack: the chunk's id is right, its place would not be.
            if wanted.stream.record(chunk as usize).len as usize != bytes.len() {
                return Err(SyncError::ChunkLength { id: record.id });
            }
            sink(chunk as usize, bytes)?;
            tally.add(1, bytes.len() as u64);
        }
    }
    Ok(())
}
