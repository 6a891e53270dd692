//! How much of an image's recipe other images have too, for choosing the bases of patches.

use std::collections::{BTreeSet, HashMap, HashSet};

use regrow_chunker::{ChunkId, Record, SegmentId};
use regrow_index::{Index, Segment};

use super::inspect::with_fetcher;
use super::sampled::bytes_of;
use super::target::packs_of;
use super::tree::Reading;
use crate::transfer::packs::Packs;
use crate::{Location, SyncError};

/// The most records that are kept, each of which takes 36 bytes. An image of 64 GiB has about as many.
const MOST_RECORDS: usize = 4_000_000;

/// The segments of several images, each read once.
#[derive(Default)]
pub(crate) struct KnownSegments {
    records: HashMap<SegmentId, Vec<Record>>,
    count: usize,
}

impl KnownSegments {
    pub(crate) fn of(segments: Vec<Segment>) -> Self {
        let mut known = Self::default();
        segments.into_iter().for_each(|segment| known.add(segment));
        known
    }

    fn add(&mut self, segment: Segment) {
        let id = segment.id();
        self.count += segment.records().len();
        self.records.insert(id, segment.into_records());
    }

    /// Reads the segments of an index that are not known yet. Returns `false` if there are too many of them.
    pub(crate) fn read(
        &mut self,
        location: &Location,
        index: &Index,
        reading: &mut Reading<'_>,
    ) -> Result<bool, SyncError> {
        let count = index.segments().count() as u64;
        let missing: HashMap<SegmentId, u32> = index
            .segments()
            .zip(packs_of(&index.segment_runs, 0, count))
            .filter(|(segment, _)| !self.records.contains_key(&segment.id))
            .map(|(segment, pack)| (segment.id, pack))
            .collect();
        let records: usize = index
            .segments()
            .filter(|segment| missing.contains_key(&segment.id))
            .map(|segment| segment.records as usize)
            .sum();
        if self.count.saturating_add(records) > MOST_RECORDS {
            return Ok(false);
        }
        let wanted: BTreeSet<u32> = missing.values().copied().collect();
        let wanted: Vec<(u32, bool)> = wanted.into_iter().map(|pack| (pack, false)).collect();
        with_fetcher(location, index, reading, |fetcher, _| {
            Packs::new(index).fetch_tails(fetcher, &wanted, |segment| {
                if missing.contains_key(&segment.id()) {
                    self.add(segment);
                }
            })
        })?;
        Ok(true)
    }

    /// The records of an index's segments, in the order in which it lists them. Segments that are not known are left
    /// out.
    pub(crate) fn records<'a>(&'a self, index: &'a Index) -> impl Iterator<Item = &'a Record> {
        index.segments().filter_map(|segment| self.records.get(&segment.id)).flatten()
    }

    /// The distinct chunks of an image that another one lacks.
    pub(crate) fn missing<'a>(&'a self, image: &'a Index, other: &Index) -> impl Iterator<Item = &'a Record> {
        let mut have: HashSet<ChunkId> = self.records(other).map(|record| record.id).collect();
        self.records(image).filter(move |record| have.insert(record.id))
    }

    /// The bytes of the distinct chunks of an image that a base lacks, or of all of them.
    pub(crate) fn missing_bytes(&self, target: &Index, base: Option<&Index>) -> u64 {
        let mut have: HashSet<ChunkId> =
            base.into_iter().flat_map(|base| self.records(base)).map(|record| record.id).collect();
        bytes_of(self.records(target).filter(|record| have.insert(record.id)))
    }

    /// The bytes of an image that lie in segments that another one lacks.
    pub(crate) fn bytes_in_missing_segments(&self, target: &Index, base: &Index) -> u64 {
        let have: HashSet<SegmentId> = base.segments().map(|segment| segment.id).collect();
        let missing = target.segments().filter(|segment| !have.contains(&segment.id));
        bytes_of(missing.filter_map(|segment| self.records.get(&segment.id)).flatten())
    }
}
