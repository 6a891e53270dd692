//! The plan of a stream: a source for each of its chunks.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::VerifiedBuffer;
use regrow_index::Index;
use regrow_local::{Pool, Seeds, StreamChunks};

use super::target::{Target, packs_of};
use crate::SyncError;
use crate::transfer::delivery::{Delivered, Tally, Wanted};
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// The number of chunks that one job looks at.
const CHUNKS_A_JOB: usize = 256;

/// The source of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// No source was found yet.
    Missing,
    /// The output has the chunk already.
    Output,
    /// A seed has the chunk, at this place.
    Seed(u32, u64),
    /// The chunk is in a frame of a pack.
    Frame { pack: u32, frame: u32 },
}

/// The sources of all chunks of one stream.
pub(crate) struct Plan {
    skeleton: bool,
    sources: Vec<Source>,
    /// The seed that a patch yielded.
    patched: Option<u32>,
}

impl Plan {
    /// Plans the skeleton with the chunks that seeds have.
    pub(crate) fn of_skeleton(target: &Target, seeds: &Seeds) -> Self {
        Self { skeleton: true, sources: from_seeds(&target.skeleton, seeds, &[]), patched: seeds.patched }
    }

    /// Plans the contents: first with the chunks that the output has, then with those of seeds and those that lie beside
    /// them. Last, guesses by path in folders are tried for the rest.
    pub(crate) fn of_contents(
        pool: &Pool,
        target: &Arc<Target>,
        seeds: &Arc<Seeds>,
        resumed: &[bool],
    ) -> Result<Self, SyncError> {
        let sources = from_seeds(&target.contents, seeds, resumed);
        let mut plan = Self { skeleton: false, sources, patched: seeds.patched };
        plan.try_neighbours(pool, target, seeds)?;
        for guess in &seeds.guesses {
            plan.try_guesses(pool, target, seeds, *guess)?;
        }
        Ok(plan)
    }

    /// Reads each missing chunk from a seed of guesses, to see whether it is there.
    fn try_guesses(
        &mut self,
        pool: &Pool,
        target: &Arc<Target>,
        seeds: &Arc<Seeds>,
        guess: u32,
    ) -> Result<(), SyncError> {
        let pending: Vec<_> = self
            .missing()
            .chunks(CHUNKS_A_JOB)
            .map(|chunks| {
                let (chunks, target, seeds) = (chunks.to_vec(), Arc::clone(target), Arc::clone(seeds));
                pool.submit(move || {
                    let mut buffer = VerifiedBuffer::default();
                    let mut holds = |chunk: &u32| {
                        let place = (guess, target.contents.range(*chunk as usize).start);
                        seeds.read(place, &target.contents.record(*chunk as usize), &mut buffer)
                    };
                    chunks.into_iter().filter(|chunk| holds(chunk)).collect::<Vec<u32>>()
                })
            })
            .collect();
        for found in pending {
            for chunk in found.wait()? {
                self.set(chunk, Source::Seed(guess, target.contents.range(chunk as usize).start));
            }
        }
        Ok(())
    }

    /// Plans contents after a seed failed to give some chunks: those are missing, and all others count as done.
    pub(crate) fn of_failed(contents: &StreamChunks, failed: &[u32]) -> Self {
        let mut plan = Self { skeleton: false, sources: vec![Source::Output; contents.len()], patched: None };
        failed.iter().for_each(|&chunk| plan.set(chunk, Source::Missing));
        plan
    }

    /// The same plan for these chunks alone. All others count as done.
    pub(crate) fn only(mut self, chunks: Range<usize>) -> Self {
        let others = (0..self.sources.len()).filter(|chunk| !chunks.contains(chunk));
        others.for_each(|chunk| self.sources[chunk] = Source::Output);
        self
    }

    /// Plans the contents with the chunks that seeds have, and nothing else.
    pub(crate) fn of_contents_in_seeds(target: &Target, seeds: &Seeds) -> Self {
        Self { skeleton: false, sources: from_seeds(&target.contents, seeds, &[]), patched: seeds.patched }
    }

    /// The pack and the frame of a chunk, if its source is a frame.
    pub(crate) fn frame_of(&self, chunk: u32) -> Option<(u32, u32)> {
        match self.sources[chunk as usize] {
            Source::Frame { pack, frame } => Some((pack, frame)),
            _ => None,
        }
    }

    pub(crate) fn is_skeleton(&self) -> bool {
        self.skeleton
    }

    pub(crate) fn source(&self, chunk: usize) -> Source {
        self.sources[chunk]
    }

    /// The source of a chunk, if there is one of this number.
    pub(super) fn get(&self, chunk: usize) -> Option<Source> {
        self.sources.get(chunk).copied()
    }

    pub(crate) fn set(&mut self, chunk: u32, source: Source) {
        self.sources[chunk as usize] = source;
    }

    /// The chunks without a source.
    pub(crate) fn missing(&self) -> Vec<u32> {
        self.numbers(|source| *source == Source::Missing)
    }

    /// The chunks whose source is a frame.
    pub(crate) fn in_frames(&self) -> Vec<u32> {
        self.numbers(|source| matches!(source, Source::Frame { .. }))
    }

    /// The plain bytes of the contents chunks whose source is a frame.
    pub(crate) fn bytes_in_frames(&self, target: &Target) -> u64 {
        self.in_frames().into_iter().map(|chunk| u64::from(target.contents.record(chunk as usize).len)).sum()
    }

    fn numbers(&self, wanted: impl Fn(&Source) -> bool) -> Vec<u32> {
        (0..).zip(&self.sources).filter(|(_, source)| wanted(source)).map(|(number, _)| number).collect()
    }

    /// The needed frames, each once, ordered by pack and number.
    pub(crate) fn frames(&self) -> Vec<(u32, u32)> {
        let frames: BTreeSet<(u32, u32)> = self
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Frame { pack, frame } => Some((*pack, *frame)),
                _ => None,
            })
            .collect();
        frames.into_iter().collect()
    }

    /// Finds the frames of the chunks that have no source yet. Fetches the tables that this needs.
    pub(crate) fn locate(
        &mut self,
        fetcher: &Fetcher<'_>,
        packs: &mut Packs,
        target: &Target,
    ) -> Result<(), SyncError> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let index = fetcher.index_with_packs()?;
        packs.know(index);
        let first = if self.is_skeleton() { 0 } else { index.skeleton.chunks };
        let stream = if self.is_skeleton() { &target.skeleton } else { &target.contents };
        let pack_of: Vec<u32> = packs_of(&index.chunk_runs, first, stream.len() as u64).collect();
        let unplaced = || SyncError::Recipe {
            location: fetcher.location.to_string(),
            reason: "the index does not say where all of its chunks are".to_owned(),
        };
        if pack_of.len() < stream.len() {
            return Err(unplaced());
        }
        let mut without_table: Vec<u32> = missing.iter().map(|&chunk| pack_of[chunk as usize]).collect();
        without_table.sort_unstable();
        without_table.dedup();
        without_table.retain(|&pack| packs.table(pack).is_none());
        let wanted: Vec<(u32, bool)> = without_table.into_iter().map(|pack| (pack, self.is_skeleton())).collect();
        packs.fetch_tails(fetcher, &wanted, drop)?;
        for chunk in missing {
            let (pack, id) = (pack_of[chunk as usize], stream.record(chunk as usize).id);
            let frame = packs.table(pack).and_then(|table| table.frame_of(&id)).ok_or_else(|| SyncError::Recipe {
                location: fetcher.location.to_string(),
                reason: format!("chunk {id} is not in pack {}, where the index says", packs.id(pack)),
            })?;
            self.set(chunk, Source::Frame { pack, frame });
        }
        Ok(())
    }

    /// The chunks whose source is a frame, each with its pack and its frame.
    pub(crate) fn chunks_in_frames(&self) -> Vec<(u32, (u32, u32))> {
        self.in_frames().into_iter().filter_map(|chunk| self.frame_of(chunk).map(|frame| (chunk, frame))).collect()
    }

    /// Counts the chunks whose source is not a frame. Those in frames are counted when they arrive.
    pub(crate) fn count_local(&self, stream: &StreamChunks, counts: &mut Counts) {
        for chunk in 0..self.sources.len() {
            if let Some(tally) = self.local_tally(chunk, counts) {
                tally.add(1, u64::from(stream.record(chunk).len));
            }
        }
    }

    /// Takes back the counts of chunks that turned out not to be where the plan says.
    pub(crate) fn uncount_local(&self, stream: &StreamChunks, failed: &[u32], counts: &mut Counts) {
        for &chunk in failed {
            if let Some(tally) = self.local_tally(chunk as usize, counts) {
                tally.remove(1, u64::from(stream.record(chunk as usize).len));
            }
        }
    }

    /// The tally that a chunk belongs to, unless its source is a frame.
    fn local_tally<'c>(&self, chunk: usize, counts: &'c mut Counts) -> Option<&'c mut Tally> {
        match self.sources[chunk] {
            Source::Output => Some(&mut counts.resumed),
            Source::Seed(seed, _) if Some(seed) == self.patched => Some(&mut counts.patch),
            Source::Seed(..) => Some(&mut counts.seed),
            Source::Missing | Source::Frame { .. } => None,
        }
    }

    /// Counts everything that would be read or fetched, for a dry run.
    pub(crate) fn count(&self, target: &Target, packs: &Packs, fetcher: &Fetcher<'_>, counts: &mut Counts) {
        self.count_local(&target.contents, counts);
        let frames = self.frames();
        let (cached, remote): (Vec<_>, Vec<_>) = frames
            .iter()
            .partition(|frame| packs.place_of(**frame).is_some_and(|(pack, stored)| fetcher.is_cached(&pack, &stored)));
        let wanted = Wanted::new(&target.contents, self.chunks_in_frames());
        for range in fetcher.ranges(packs, &remote, Some(&wanted)) {
            counts.planned_requests += u64::from(!fetcher.first_store_is_local());
            counts.planned_bytes += if fetcher.first_store_is_local() { 0 } else { range.bytes() };
        }
        let cached: BTreeSet<(u32, u32)> = cached.into_iter().collect();
        for (chunk, source) in self.sources.iter().enumerate() {
            if let Source::Frame { pack, frame } = source {
                let tally = if cached.contains(&(*pack, *frame)) { &mut counts.cache } else { &mut counts.store };
                tally.add(1, u64::from(target.contents.record(chunk).len));
            }
        }
    }
}

fn from_seeds(stream: &StreamChunks, seeds: &Seeds, resumed: &[bool]) -> Vec<Source> {
    let mut last = None;
    let source = |chunk: usize| {
        if resumed.get(chunk).copied().unwrap_or(false) {
            return Source::Output;
        }
        let record = stream.record(chunk);
        let found = seeds.find_behind(last, &record.id);
        last = found.map(|place| (place, record.len));
        found.map_or(Source::Missing, |(seed, place)| Source::Seed(seed, place))
    };
    (0..stream.len()).map(source).collect()
}

/// The chunks of an image, counted by where they came from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) resumed: Tally,
    pub(crate) seed: Tally,
    pub(crate) patch: Tally,
    pub(crate) cache: Tally,
    pub(crate) store: Tally,
    pub(crate) planned_bytes: u64,
    pub(crate) planned_requests: u64,
}

impl Counts {
    /// Adds chunks that were delivered.
    pub(crate) fn add(&mut self, delivered: Delivered) {
        self.cache.add(delivered.cache.chunks, delivered.cache.bytes);
        self.store.add(delivered.store.chunks, delivered.store.bytes);
    }

    /// The number of chunks that were counted.
    pub(crate) fn chunks(&self) -> u64 {
        [self.resumed, self.seed, self.patch, self.cache, self.store].iter().map(|tally| tally.chunks).sum()
    }

    /// The counts of an output that is the image already.
    pub(crate) fn all_resumed(index: &Index) -> Self {
        let resumed = Tally { chunks: index.chunks(), bytes: index.skeleton.bytes + index.contents.bytes };
        Self { resumed, ..Self::default() }
    }
}
