//! Rewrites packs of which little is still needed. The needed parts go into new packs, and indexes are pointed to
//! those. The old packs are then collected like any others, so a reader that has an old index can still read them
//! for the time of grace.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::TryStreamExt;
use regrow_chunker::{ChunkId, PackId, Record, SegmentId};
use regrow_image::StreamKind;
use regrow_index::{Index, PackRef, Run, Segment};
use regrow_local::{Pool, Recipe};
use regrow_store::{
    Condition, Decompressor, FrameEntry, PackSummary, PackTail, PutOutcome, Span, Store, StoreError, list_packs,
    pack_name, read_tail,
};

use super::keep::{Keep, KeptIndex};
use super::{GcOptions, GcReport};
use crate::flows::make::contents::IdMap;
use crate::flows::make::packer::Packer;
use crate::flows::make::upload::Uploads;
use crate::place::condemned::Reliance;
use crate::place::index_file::{encode, put_index_if};
use crate::plan::recipe::recipe_of_listed;
use crate::{Location, Network, Progress, Stage, SyncError};

/// A pack is rewritten if the needed part of its plain bytes is smaller than one in this many.
const REWRITE_BELOW: u64 = 2;

/// A kept index, with the data for pointing it to other packs.
struct Opened {
    index: Index,
    version: Option<String>,
    /// The hash of the index's bytes.
    hash: blake3::Hash,
    kept: KeptIndex,
}

/// A pack that kept indexes need.
struct Pack {
    tail: PackTail,
    /// For each chunk by its position, and for each segment, whether an index needs it.
    live: Vec<bool>,
    live_segments: Vec<bool>,
    /// The positions of the segments.
    segments: HashMap<SegmentId, usize>,
}

/// The new places of chunks and segments: the numbers of their items, and in the end those of their packs.
#[derive(Default)]
struct Moved {
    chunks: IdMap<ChunkId, u32>,
    segments: IdMap<SegmentId, u32>,
    packs: Vec<PackSummary>,
}

/// Rewrites packs where it pays, and counts in `report`. A dry run only counts.
pub(super) fn repack(
    options: &GcOptions,
    store: &Arc<dyn Store>,
    keep: &Keep,
    network: &Network,
    progress: &dyn Progress,
    report: &mut GcReport,
) -> Result<(), SyncError> {
    let reliance = network.block_on(Reliance::begin(&**store))?;
    let opened = network.block_on(open(keep, &**store))?;
    let mut packs = network.block_on(read_packs(&opened, &**store))?;
    for index in &opened {
        mark(index, &mut packs)?;
    }
    packs.retain(|_, pack| pack.is_worth_it());
    report.packs_repacked = packs.len() as u64;
    let affected: Vec<Opened> = opened.into_iter().filter(|opened| opened.needs_any(&packs)).collect();
    report.indexes_rewritten = affected.len() as u64;
    if options.dry_run || packs.is_empty() {
        return Ok(());
    }
    let moved = rewrite(options, store, &packs, &reliance, network, progress)?;
    report.indexes_rewritten = 0;
    let mut others = BTreeMap::new();
    for opened in affected {
        let records = records_of(&opened, (&packs, &mut others), network, &**store)?;
        let index = repoint(&opened.index, &records, &packs, &moved)?;
        // The other packs are named by the index that is there already.
        let named: BTreeSet<PackId> = index.packs.iter().map(|pack| pack.id).collect();
        let new = moved.packs.iter().map(|pack| pack.id).filter(|id| named.contains(id));
        network.block_on(reliance.confirm(&**store, new))?;
        if network.block_on(put(&opened, &index, options))? {
            report.indexes_rewritten += 1;
        } else {
            progress.warn(&format!("{}: was replaced meanwhile and is left as it is", opened.kept.shown()));
        }
    }
    Ok(())
}

/// The kept indexes whose packs are in the store. Others, for example of another store beside it, are left as they
/// are.
async fn open(keep: &Keep, store: &dyn Store) -> Result<Vec<Opened>, SyncError> {
    let mut opened = Vec::new();
    let here: BTreeSet<PackId> = list_packs(store).map_ok(|(id, _)| id).try_collect().await?;
    for (kept, _) in keep.list().await? {
        let Some((bytes, version)) = kept.read_bytes().await? else { continue };
        let index = kept.decode(&bytes)?;
        if index.packs.iter().all(|pack| here.contains(&pack.id)) {
            opened.push(Opened { index, version, hash: blake3::hash(&bytes), kept });
        }
    }
    Ok(opened)
}

async fn read_packs(opened: &[Opened], store: &dyn Store) -> Result<BTreeMap<PackId, Pack>, SyncError> {
    let mut packs = BTreeMap::new();
    for pack in opened.iter().flat_map(|opened| &opened.index.packs) {
        if let Entry::Vacant(entry) = packs.entry(pack.id) {
            let (_, tail) = read_tail(store, &pack.id).await?;
            entry.insert(Pack::new(tail));
        }
    }
    Ok(packs)
}

impl Opened {
    fn needs_any(&self, packs: &BTreeMap<PackId, Pack>) -> bool {
        self.index.packs.iter().any(|pack| packs.contains_key(&pack.id))
    }

    fn damaged(&self, reason: String) -> SyncError {
        SyncError::Recipe { location: self.kept.shown(), reason }
    }
}

impl Pack {
    fn new(tail: PackTail) -> Self {
        let (live, live_segments) = (vec![false; tail.records.len()], vec![false; tail.segments()]);
        let segments = tail.segment_ids().zip(0..).collect();
        Self { tail, live, live_segments, segments }
    }

    fn is_worth_it(&self) -> bool {
        let plain =
            |records: &mut dyn Iterator<Item = &Record>| records.map(|record| u64::from(record.len)).sum::<u64>();
        let live =
            plain(&mut self.tail.records.iter().zip(&self.live).filter(|(_, live)| **live).map(|(record, _)| record));
        live * REWRITE_BELOW < plain(&mut self.tail.records.iter())
    }

    fn segment(&self, id: &SegmentId) -> Option<(usize, Segment)> {
        let number = *self.segments.get(id)?;
        let segment = Segment::new(self.tail.segment(number).ok()?.1).ok()?;
        (segment.id() == *id).then_some((number, segment))
    }
}

/// The pack of each chunk or segment that runs count.
fn packs_of<'i>(index: &'i Index, runs: &'i [Run]) -> impl Iterator<Item = PackId> + 'i {
    runs.iter().flat_map(move |run| (0..run.count).map(move |_| index.packs[run.pack as usize].id))
}

/// Marks the chunks and segments that an index needs.
fn mark(opened: &Opened, packs: &mut BTreeMap<PackId, Pack>) -> Result<(), SyncError> {
    let index = &opened.index;
    let mut listed = Vec::new();
    for (wanted, pack) in index.segments().zip(packs_of(index, &index.segment_runs)) {
        let pack = packs.get_mut(&pack);
        let found = pack.and_then(|pack| pack.segment(&wanted.id).map(|found| (pack, found)));
        let Some((pack, (number, segment))) = found else {
            return Err(opened.damaged(format!("recipe segment {} is not where the index says", wanted.id)));
        };
        pack.live_segments[number] = true;
        listed.extend(segment.into_records());
    }
    let records = recipe_of_listed(index, listed);
    let records = records.skeleton.iter().chain(&records.contents);
    let mut needed: BTreeMap<PackId, IdMap<ChunkId, ()>> = BTreeMap::new();
    for (record, pack) in records.zip(packs_of(index, &index.chunk_runs)) {
        needed.entry(pack).or_default().insert(record.id, ());
    }
    for (id, chunks) in needed {
        let Some(pack) = packs.get_mut(&id) else { continue };
        for (record, live) in pack.tail.records.iter().zip(&mut pack.live) {
            *live |= chunks.contains_key(&record.id);
        }
    }
    Ok(())
}

/// The recipe of an index, read from the packs that hold its segments: those that are rewritten, and others, each of
/// which is read once for all indexes.
fn records_of(
    opened: &Opened,
    (packs, others): (&BTreeMap<PackId, Pack>, &mut BTreeMap<PackId, Pack>),
    network: &Network,
    store: &dyn Store,
) -> Result<Vec<Record>, SyncError> {
    let index = &opened.index;
    let mut listed = Vec::new();
    for (wanted, id) in index.segments().zip(packs_of(index, &index.segment_runs)) {
        if !packs.contains_key(&id) && !others.contains_key(&id) {
            let (_, tail) = network.block_on(read_tail(store, &id))?;
            others.insert(id, Pack::new(tail));
        }
        let pack = packs.get(&id).or_else(|| others.get(&id));
        let (_, segment) = pack
            .and_then(|pack| pack.segment(&wanted.id))
            .ok_or_else(|| opened.damaged(format!("recipe segment {} is not where the index says", wanted.id)))?;
        listed.extend(segment.into_records());
    }
    let Recipe { skeleton, contents } = recipe_of_listed(index, listed);
    Ok([skeleton, contents].concat())
}

/// Writes the needed parts of the packs into new ones.
fn rewrite(
    options: &GcOptions,
    store: &Arc<dyn Store>,
    packs: &BTreeMap<PackId, Pack>,
    reliance: &Reliance,
    network: &Network,
    progress: &dyn Progress,
) -> Result<Moved, SyncError> {
    let pool = Pool::new();
    let uploads = Uploads::new(network, Arc::clone(store), reliance, BTreeSet::new());
    let mut packer = Packer::new(uploads, &pool, options.level, regrow_store::PACK_TARGET_BYTES)?;
    let mut moved = Moved::default();
    let frames = packs.values().flat_map(|pack| pack.live_frames()).map(|frame| frame.stored.end - frame.stored.start);
    progress.begin(Stage::Collect, Some(frames.sum()));
    for (id, pack) in packs {
        for frame in pack.live_frames() {
            let stored = network.block_on(read_frame(&**store, id, frame))?;
            let stream = if frame.stored.start >= pack.tail.trailer.skeleton_at {
                StreamKind::Skeleton
            } else {
                StreamKind::Contents
            };
            for (record, bytes) in pack.open(id, frame, &stored)? {
                if let std::collections::hash_map::Entry::Vacant(entry) = moved.chunks.entry(record.id) {
                    entry.insert(packer.add_chunk(stream, record, &bytes)?);
                }
            }
            progress.add(Stage::Collect, frame.stored.end - frame.stored.start);
        }
        for (number, _) in pack.live_segments.iter().enumerate().filter(|(_, live)| **live) {
            let damaged = |error: regrow_store::PackError| {
                SyncError::from(StoreError::Damaged { object: pack_name(id), reason: error.to_string() })
            };
            let (segment, records) = pack.tail.segment(number).map_err(damaged)?;
            if let std::collections::hash_map::Entry::Vacant(entry) = moved.segments.entry(segment) {
                entry.insert(packer.add_segment(StreamKind::Contents, segment, records)?);
            }
        }
    }
    let packed = packer.finish()?;
    moved.chunks.values_mut().chain(moved.segments.values_mut()).for_each(|item| *item = packed.pack_of(*item));
    moved.packs = packed.packs;
    progress.end(Stage::Collect);
    Ok(moved)
}

async fn read_frame(store: &dyn Store, pack: &PackId, frame: &FrameEntry) -> Result<bytes::Bytes, StoreError> {
    store.get(&pack_name(pack), Span::Range(frame.stored.clone())).await?.bytes().await
}

impl Pack {
    fn live_frames(&self) -> impl Iterator<Item = &FrameEntry> {
        self.tail.frames.iter().filter(|frame| self.live[frame.chunks.clone()].contains(&true))
    }

    /// The needed chunks of a frame, verified.
    fn open(&self, id: &PackId, frame: &FrameEntry, stored: &[u8]) -> Result<Vec<(Record, Vec<u8>)>, SyncError> {
        let damaged = |reason: String| StoreError::Damaged { object: pack_name(id), reason };
        let mut decompressor = Decompressor::new().map_err(SyncError::io("decompression"))?;
        let plain = decompressor.decompress(stored, frame.plain_bytes);
        let plain = plain.ok_or_else(|| damaged(format!("frame at {} cannot be decompressed", frame.stored.start)))?;
        let (mut rest, mut found) = (&plain[..], Vec::new());
        for (record, live) in self.tail.records[frame.chunks.clone()].iter().zip(&self.live[frame.chunks.clone()]) {
            let (chunk, after) = rest.split_at(rest.len().min(record.len as usize));
            rest = after;
            if *live && ChunkId::of(chunk) != record.id {
                return Err(damaged(format!("chunk {} is damaged", record.id)).into());
            }
            if *live {
                found.push((*record, chunk.to_vec()));
            }
        }
        Ok(found)
    }
}

/// The index of the same image, read from the new packs.
fn repoint(
    index: &Index,
    records: &[Record],
    rewritten: &BTreeMap<PackId, Pack>,
    moved: &Moved,
) -> Result<Index, SyncError> {
    let old = index.packs.iter().map(|pack| (pack.id, *pack)).collect();
    let mut numbers = Numbers { old, moved, numbers: IdMap::default(), packs: Vec::new() };
    let mut chunk_runs = Vec::new();
    for (record, pack) in records.iter().zip(packs_of(index, &index.chunk_runs)) {
        let new = rewritten.contains_key(&pack).then(|| moved.chunks.get(&record.id).copied());
        push(&mut chunk_runs, numbers.of(pack, new)?);
    }
    let mut segment_runs = Vec::new();
    for (segment, pack) in index.segments().zip(packs_of(index, &index.segment_runs)) {
        let new = rewritten.contains_key(&pack).then(|| moved.segments.get(&segment.id).copied());
        push(&mut segment_runs, numbers.of(pack, new)?);
    }
    // Pack numbers have changed, and the chunks that were new with the image now lie in other packs.
    Ok(Index { packs: numbers.packs, chunk_runs, segment_runs, fresh_packs: Vec::new(), ..index.clone() })
}

fn push(runs: &mut Vec<Run>, pack: u32) {
    match runs.last_mut() {
        Some(last) if last.pack == pack => last.count += 1,
        _ => runs.push(Run { count: 1, pack }),
    }
}

/// Numbers the packs of the new index in the order of their first use.
struct Numbers<'a> {
    old: IdMap<PackId, PackRef>,
    moved: &'a Moved,
    numbers: IdMap<PackId, u32>,
    packs: Vec<PackRef>,
}

impl Numbers<'_> {
    /// The number of an old pack. If that pack was rewritten, it is the number of this new one.
    fn of(&mut self, old: PackId, new: Option<Option<u32>>) -> Result<u32, SyncError> {
        let found = match new {
            None => self.old.get(&old).copied(),
            Some(number) => number.and_then(|number| self.moved.packs.get(number as usize)).map(|summary| {
                let PackSummary { id, bytes, skeleton_at, tail_at } = *summary;
                PackRef { id, bytes, skeleton_at, tail_at }
            }),
        };
        // A missing chunk was not marked as needed although the recipe has it, so the pack's table contradicts the
        // index.
        let pack = found.ok_or_else(|| StoreError::Damaged {
            object: pack_name(&old),
            reason: "a chunk that an index names is not in it".to_owned(),
        })?;
        Ok(*self.numbers.entry(pack.id).or_insert_with(|| {
            self.packs.push(pack);
            self.packs.len() as u32 - 1
        }))
    }
}

/// Puts an index in place of the one that was read. The result is `false` if another one is there now.
///
/// The put is conditional, but not all hosts know conditions. So the index is read right before it, since rewriting
/// may have taken hours, and right after it.
///
/// # Errors
/// [`SyncError::ReadBack`] if the index is still the old one afterwards, or is no index.
async fn put(opened: &Opened, index: &Index, options: &GcOptions) -> Result<bool, SyncError> {
    let kept = &opened.kept;
    let is_as_read = |bytes: &[u8]| blake3::hash(bytes) == opened.hash;
    if !kept.read_bytes().await?.is_some_and(|(bytes, _)| is_as_read(&bytes)) {
        return Ok(false);
    }
    let location = Location::Path(kept.shown().into());
    let encoded = encode(index, &location)?;
    let condition = opened.version.clone().map_or(Condition::Always, Condition::IfVersion);
    let put = put_index_if(&*kept.place, &kept.name, encoded.clone(), options.index_max_age, condition).await?;
    let is_put = put == PutOutcome::Stored;
    // The index has been removed since.
    let Some((standing, version)) = kept.read_bytes().await? else { return Ok(false) };
    if standing == encoded {
        return Ok(true);
    }
    let is_lost = is_as_read(&standing) && version == opened.version;
    // If not, somebody else was faster.
    if is_put && (is_lost || kept.decode(&standing).is_err()) {
        return Err(SyncError::ReadBack { index: kept.shown() });
    }
    Ok(false)
}
