//! Missing chunks that lie in a seed beside their neighbours, though the seed is cut otherwise there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::{ChunkId, VerifiedBuffer};
use regrow_local::{Pool, Seeds, Side, StreamChunks};

use super::locate::{Plan, Source};
use super::target::Target;
use crate::SyncError;

/// The number of runs of missing chunks that one job looks at.
const RUNS_A_JOB: usize = 32;

/// A run of missing chunks, and where seeds have the chunks before and behind it.
struct Run {
    chunks: Range<u32>,
    before: Option<(u32, u64)>,
    behind: Option<(u32, u64)>,
}

/// The place of a chunk that was found.
type Found = (u32, (u32, u64));

impl Plan {
    /// Looks for the chunks of each run beside the chunks before and behind it. The first one that is not there ends the
    /// search on its side, so little is read for nothing.
    pub(super) fn try_neighbours(
        &mut self,
        pool: &Pool,
        target: &Arc<Target>,
        seeds: &Arc<Seeds>,
    ) -> Result<(), SyncError> {
        let (mut runs, mut pending) = (self.missing_runs().into_iter().peekable(), Vec::new());
        while runs.peek().is_some() {
            let runs: Vec<Run> = runs.by_ref().take(RUNS_A_JOB).collect();
            let (target, seeds) = (Arc::clone(target), Arc::clone(seeds));
            pending.push(pool.submit(move || {
                let mut buffer = VerifiedBuffer::default();
                runs.iter().flat_map(|run| found_in_run(run, &target.contents, &seeds, &mut buffer)).collect::<Vec<_>>()
            }));
        }
        let mut places = HashMap::new();
        for found in pending {
            for (chunk, place) in found.wait()? {
                self.set(chunk, Source::Seed(place.0, place.1));
                places.insert(target.contents.record(chunk as usize).id, place);
            }
        }
        self.set_all(&target.contents, &places);
        Ok(())
    }

    /// Sets the sources of all missing chunks with these ids, since a chunk may be in an image more than once.
    fn set_all(&mut self, contents: &StreamChunks, places: &HashMap<ChunkId, (u32, u64)>) {
        if places.is_empty() {
            return;
        }
        for chunk in self.missing() {
            if let Some(&(seed, place)) = places.get(&contents.record(chunk as usize).id) {
                self.set(chunk, Source::Seed(seed, place));
            }
        }
    }

    /// The runs of missing chunks beside which a seed has a chunk.
    fn missing_runs(&self) -> Vec<Run> {
        let of_seed = |chunk: Option<u32>| match self.get(chunk? as usize)? {
            Source::Seed(seed, place) => Some((seed, place)),
            _ => None,
        };
        let missing = self.missing();
        let runs = missing.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some(*run.first()?..run.last()? + 1));
        let with_ends = runs.map(|chunks| {
            let (before, behind) = (of_seed(chunks.start.checked_sub(1)), of_seed(Some(chunks.end)));
            Run { chunks, before, behind }
        });
        with_ends.filter(|run| run.before.is_some() || run.behind.is_some()).collect()
    }
}

/// Looks for the chunks of a run from its first one on, and then from its last one back.
fn found_in_run(run: &Run, contents: &StreamChunks, seeds: &Seeds, buffer: &mut VerifiedBuffer) -> Vec<Found> {
    let Run { chunks, before, behind } = run;
    let mut found = Vec::new();
    let bytes = |chunk: u32| contents.record(chunk as usize).len;
    let (mut known, mut first) = (*before, chunks.start);
    while let Some(place) = known.filter(|_| first < chunks.end) {
        let record = contents.record(first as usize);
        known = seeds.read_beside(place, bytes(first - 1), Side::Behind, &record, buffer);
        found.extend(known.map(|place| (first, place)));
        first += u32::from(known.is_some());
    }
    let (mut known, mut end) = (*behind, chunks.end);
    while let Some(place) = known.filter(|_| first < end) {
        let record = contents.record(end as usize - 1);
        known = seeds.read_beside(place, bytes(end), Side::Before, &record, buffer);
        end -= u32::from(known.is_some());
        found.extend(known.map(|place| (end, place)));
    }
    found
}
