//! The tables of an image's packs. Only those that are needed are fetched.

use std::ops::Range;

use bytes::Bytes;
use regrow_chunker::{ChunkId, PackId, Record};
use regrow_index::{Index, PackRef, Segment};
use regrow_local::{first_with_id, sorted_by_id};
use regrow_store::{FrameEntry, PackTail, StoreError, pack_name};

use super::ends::ends_of;
use super::fetch::{FetchedEnd, Fetcher};
use crate::SyncError;

/// The most bytes of packs' ends that are fetched at the same time, unless a single end has more. A tail may have 64
/// MiB, and there may be one for each connection.
const ENDS_IN_FLIGHT_BYTES: u64 = 64 << 20;

/// The table of a pack.
pub(crate) struct Table {
    pub(crate) frames: Vec<FrameEntry>,
    records: Vec<Record>,
    by_id: Vec<u32>,
    /// The skeleton frames, if they came with the table: their position in the pack, and their bytes.
    skeleton: Option<(u64, Bytes)>,
    /// Whether the table came from the cache.
    pub(crate) is_cached: bool,
}

impl Table {
    /// The number of the frame that holds a chunk.
    pub(crate) fn frame_of(&self, id: &ChunkId) -> Option<u32> {
        let chunk = first_with_id(&self.by_id, id, |n| self.records[n].id)? as usize;
        Some(self.frames.partition_point(|frame| frame.chunks.end <= chunk) as u32)
    }

    /// The records of a frame's chunks, in order.
    pub(crate) fn records_of(&self, frame: &FrameEntry) -> &[Record] {
        &self.records[frame.chunks.clone()]
    }

    /// The stored bytes of a frame, if they came with the table.
    pub(crate) fn held(&self, frame: &FrameEntry) -> Option<Bytes> {
        let (at, bytes) = self.skeleton.as_ref()?;
        let start = frame.stored.start.checked_sub(*at)? as usize;
        let end = start + (frame.stored.end - frame.stored.start) as usize;
        (end <= bytes.len()).then(|| bytes.slice(start..end))
    }
}

/// The packs of an index, with the tables that have been read.
pub(crate) struct Packs {
    refs: Vec<PackRef>,
    tables: Vec<Option<Table>>,
    /// The number of ends that were read, from a cache or a store, and their bytes.
    pub(crate) ends_read: (u64, u64),
}

impl Packs {
    pub(crate) fn new(index: &Index) -> Self {
        Self { refs: index.packs.clone(), tables: index.packs.iter().map(|_| None).collect(), ends_read: (0, 0) }
    }

    /// Takes over the packs of an index, if no packs were known.
    pub(crate) fn know(&mut self, index: &Index) {
        if self.refs.is_empty() {
            *self = Self { ends_read: self.ends_read, ..Self::new(index) };
        }
    }

    pub(crate) fn id(&self, pack: u32) -> PackId {
        self.refs[pack as usize].id
    }

    /// The table of a pack, if it has been read.
    pub(crate) fn table(&self, pack: u32) -> Option<&Table> {
        self.tables[pack as usize].as_ref()
    }

    /// All tables that have been read.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().flatten()
    }

    /// Whether a frame's bytes came with its table.
    pub(crate) fn holds(&self, (pack, frame): (u32, u32)) -> bool {
        let table = self.table(pack);
        table.is_some_and(|table| table.frames.get(frame as usize).is_some_and(|frame| table.held(frame).is_some()))
    }

    /// The position of a frame: the id of its pack, and the range of bytes there.
    pub(crate) fn place_of(&self, (pack, frame): (u32, u32)) -> Option<(PackId, Range<u64>)> {
        let entry = self.table(pack)?.frames.get(frame as usize)?;
        Some((self.id(pack), entry.stored.clone()))
    }

    /// The stored size of a frame in bytes.
    pub(crate) fn stored_bytes(&self, (pack, frame): (u32, u32)) -> Option<u64> {
        let frame = self.table(pack)?.frames.get(frame as usize)?;
        Some(frame.stored.end - frame.stored.start)
    }

    /// Frees the skeleton frames that came with the tables.
    pub(crate) fn drop_held(&mut self) {
        self.tables.iter_mut().flatten().for_each(|table| table.skeleton = None);
    }

    /// Reads the ends of packs, with the skeleton frames of those that `wanted` marks. Hands on each segment.
    pub(crate) fn fetch_tails(
        &mut self,
        fetcher: &Fetcher<'_>,
        wanted: &[(u32, bool)],
        mut segment: impl FnMut(Segment),
    ) -> Result<(), SyncError> {
        if wanted.is_empty() {
            return Ok(());
        }
        if fetcher.stores.stores.is_empty() {
            return Err(SyncError::NoStore { location: fetcher.location.to_string() });
        }
        let requests = ends_of(&self.refs, wanted);
        // The ends are read in small groups, so that only the parts taken from them stay in memory.
        let mut rest = &requests[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fit(rest, fetcher.connections));
            let fetched = self.fetch_some(fetcher, now, &mut segment);
            fetcher.network.warn_of_hosts(fetcher.progress);
            fetched?;
            rest = later;
        }
        Ok(())
    }

    fn fetch_some(
        &mut self,
        fetcher: &Fetcher<'_>,
        requests: &[(u32, Range<u64>)],
        segment: &mut impl FnMut(Segment),
    ) -> Result<(), SyncError> {
        let check = |pack: u32, bytes: &Bytes| self.decode(pack, bytes).map(drop);
        for FetchedEnd { pack, bytes, is_cached } in fetcher.fetch_ends(requests, check)? {
            self.ends_read = (self.ends_read.0 + 1, self.ends_read.1 + bytes.len() as u64);
            let tail = self.decode(pack, &bytes)?;
            for number in 0..tail.segments() {
                // A malformed segment counts as absent. A flow that needs it reports that it is missing.
                if let Some(found) = tail.segment(number).ok().and_then(|(_, records)| Segment::new(records).ok()) {
                    segment(found);
                }
            }
            let skeleton_len = tail.trailer.tail_at - tail.trailer.skeleton_at;
            let has_skeleton = bytes.len() as u64 == tail.trailer.bytes - tail.trailer.skeleton_at && skeleton_len > 0;
            let skeleton = has_skeleton.then(|| (tail.trailer.skeleton_at, bytes.slice(..skeleton_len as usize)));
            let by_id = sorted_by_id(tail.records.len(), |n| tail.records[n].id);
            self.tables[pack as usize] =
                Some(Table { frames: tail.frames, records: tail.records, by_id, skeleton, is_cached });
        }
        Ok(())
    }

    fn decode(&self, pack: u32, bytes: &Bytes) -> Result<PackTail, StoreError> {
        let PackRef { id, bytes: pack_bytes, skeleton_at, tail_at } = self.refs[pack as usize];
        let damaged = |reason: String| StoreError::Damaged { object: pack_name(&id), reason };
        let tail = PackTail::decode(bytes, pack_bytes).map_err(|error| damaged(error.to_string()))?;
        if (tail.trailer.skeleton_at, tail.trailer.tail_at) != (skeleton_at, tail_at) {
            return Err(damaged("its parts are not where the index says".into()));
        }
        Ok(tail)
    }
}

/// The number of ends that may be fetched at the same time: at least one, and at most `connections`.
fn fit(ends: &[(u32, Range<u64>)], connections: usize) -> usize {
    let mut bytes = 0_u64;
    let fitting = ends.iter().take_while(|(_, range)| {
        bytes = bytes.saturating_add(range.end - range.start);
        bytes <= ENDS_IN_FLIGHT_BYTES
    });
    fitting.count().min(connections).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_flight_are_bounded() {
        let ends = |bytes: &[u64]| bytes.iter().map(|&bytes| (0, 7..7 + bytes)).collect::<Vec<_>>();
        assert_eq!(fit(&ends(&[1000; 9]), 6), 6);
        assert_eq!(fit(&ends(&[1000; 3]), 6), 3);
        assert_eq!(fit(&ends(&[24 << 20; 9]), 6), 2);
        assert_eq!(fit(&ends(&[64 << 20, 1]), 6), 1);
        assert_eq!(fit(&ends(&[u64::MAX - 7, 1]), 6), 1);
    }
}
