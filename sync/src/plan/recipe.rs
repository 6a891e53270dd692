//! The way from an index's head to the image's records. Segments that seeds have are not fetched.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use regrow_chunker::{Record, SegmentId};
use regrow_index::{Index, Segment, SegmentRef, StreamHead};
use regrow_local::{Recipe, Seeds};

use super::target::packs_of;
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;
use crate::{Location, SyncError};

/// Finds all segments and joins them.
pub(crate) fn resolve(fetcher: &Fetcher<'_>, packs: &mut Packs, seeds: &Seeds) -> Result<Recipe, SyncError> {
    KnownSegments::new(fetcher.index, seeds).resolve(fetcher, packs)
}

/// The segments of an index, as far as they are known.
pub(crate) struct KnownSegments(HashMap<SegmentId, Option<Vec<Record>>>);

impl KnownSegments {
    /// Begins with those that seeds have.
    pub(crate) fn new(index: &Index, seeds: &Seeds) -> Self {
        let mut known = Self(index.segments().map(|segment| (segment.id, None)).collect());
        seeds.seeds.iter().for_each(|seed| seed.segments(&mut |segment| known.take(segment)));
        known
    }

    fn take(&mut self, segment: Segment) {
        if let Some(slot @ None) = self.0.get_mut(&segment.id()) {
            *slot = Some(segment.into_records());
        }
    }

    /// Finds all segments of the fetcher's index, which may be only a part of the image, and joins them.
    pub(crate) fn resolve(&mut self, fetcher: &Fetcher<'_>, packs: &mut Packs) -> Result<Recipe, SyncError> {
        let index = fetcher.index;
        // A segment may lie in another pack than the chunks that it lists, so the pack's own skeleton chunks decide.
        let skeleton_packs: HashSet<u32> = packs_of(&index.chunk_runs, 0, index.skeleton.chunks).collect();
        let count = index.segments().count() as u64;
        let segments = index.segments().zip(packs_of(&index.segment_runs, 0, count));
        let missing = segments.filter(|(segment, _)| self.0.get(&segment.id).is_some_and(Option::is_none));
        let wanted: BTreeSet<u32> = missing.map(|(_, pack)| pack).collect();
        let wanted: Vec<(u32, bool)> = wanted.into_iter().map(|pack| (pack, skeleton_packs.contains(&pack))).collect();
        packs.fetch_tails(fetcher, &wanted, |segment| self.take(segment))?;
        let skeleton = join(fetcher.location, &index.skeleton, &self.0)?;
        let contents = join(fetcher.location, &index.contents, &self.0)?;
        Ok(in_stream_order(index, skeleton, contents))
    }
}

/// The records of both streams in their order, from those that the segments list.
pub(crate) fn in_stream_order(index: &Index, skeleton: Vec<Record>, contents: Vec<Record>) -> Recipe {
    Recipe {
        skeleton: reordered(skeleton, &index.skeleton_order()),
        contents: reordered(contents, &index.contents_order()),
    }
}

/// The records of both streams in their order, from the records of all segments as the index lists them.
pub(crate) fn recipe_of_listed(index: &Index, mut listed: Vec<Record>) -> Recipe {
    let skeleton_chunks = usize::try_from(index.skeleton.chunks).unwrap_or(usize::MAX).min(listed.len());
    let contents = listed.split_off(skeleton_chunks);
    in_stream_order(index, listed, contents)
}

fn reordered(listed: Vec<Record>, order: &[Range<u64>]) -> Vec<Record> {
    if order.len() <= 1 {
        return listed;
    }
    let range = |range: &Range<u64>| listed.get(range.start as usize..range.end as usize).unwrap_or_default();
    order.iter().flat_map(range).copied().collect()
}

fn join(
    location: &Location,
    stream: &StreamHead,
    known: &HashMap<SegmentId, Option<Vec<Record>>>,
) -> Result<Vec<Record>, SyncError> {
    let wrong = |reason: String| SyncError::Recipe { location: location.to_string(), reason };
    let mut records: Vec<Record> = Vec::new();
    for SegmentRef { id, records: count } in &stream.segments {
        let segment = known.get(id).and_then(Option::as_ref);
        let segment =
            segment.ok_or_else(|| wrong(format!("recipe segment {id} is not in the pack that the index names")))?;
        if segment.len() != *count as usize {
            return Err(wrong(format!("recipe segment {id} has {} records, not {count}", segment.len())));
        }
        records.extend_from_slice(segment);
    }
    if records.iter().map(|record| u64::from(record.len)).sum::<u64>() != stream.bytes {
        return Err(wrong("the recipe's chunks do not add up to the stream's length".into()));
    }
    Ok(records)
}
