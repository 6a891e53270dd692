//! Stretches of an image's stream that belong to a side of a patch, with their chunks.

use std::io;
use std::ops::Range;

use regrow_chunker::{ChunkId, Record};
use regrow_image::{PartRange, StreamKind};
use regrow_local::{first_with_id, sorted_by_id};

use crate::image::PatchImage;
use crate::ranges::Ranges;

/// Stretches of an image's stream, one behind the other.
pub(crate) struct Stretches {
    ranges: Ranges,
    /// The chunks in the stretches. If it is `None`, these are the image's.
    chunks: Option<Chunks>,
}

/// The chunks of a side's stream: their records, their offsets, and their positions sorted by id.
pub(crate) struct Chunks {
    pub(crate) records: Vec<Record>,
    pub(crate) starts: Vec<u64>,
    by_id: Vec<u32>,
}

impl Chunks {
    fn new(records: Vec<Record>, starts: Vec<u64>) -> Self {
        let by_id = sorted_by_id(records.len(), |number| records[number].id);
        Self { records, starts, by_id }
    }

    /// The offset of a chunk.
    pub(crate) fn find(&self, id: &ChunkId) -> Option<u64> {
        let found = first_with_id(&self.by_id, id, |number| self.records[number].id);
        found.map(|found| self.starts[found as usize])
    }
}

impl Stretches {
    pub(crate) fn whole(image: &PatchImage, stream: StreamKind) -> Self {
        Self { ranges: Ranges::without(image.stream_bytes(stream), []), chunks: None }
    }

    pub(crate) fn of_ranges(image: &PatchImage, stream: StreamKind, parts: impl Iterator<Item = PartRange>) -> Self {
        let (mut ranges, mut bytes, mut records, mut starts) = (Vec::new(), 0, Vec::new(), Vec::new());
        for part in parts {
            let range = part.records.start as usize..part.records.end as usize;
            records.extend_from_slice(image.records(stream).get(range.clone()).unwrap_or_default());
            let of_part = image.chunk_starts(stream).get(range).unwrap_or_default();
            starts.extend(of_part.iter().map(|start| bytes + start.saturating_sub(part.bytes.start)));
            bytes += part.bytes.end - part.bytes.start;
            ranges.push(part.bytes);
        }
        Self { ranges: Ranges::new(ranges), chunks: Some(Chunks::new(records, starts)) }
    }

    /// Where the stretches begin in the image's stream, unless there are several.
    pub(crate) fn origin(&self) -> Option<u64> {
        let mut ranges = self.ranges.iter();
        let start = ranges.next().map_or(0, |(range, _)| range.start);
        ranges.next().is_none().then_some(start)
    }

    /// What is left of a single stretch, which begins at `origin`, without some of its ranges, which ascend. Chunks that have
    /// bytes of these are left out too.
    pub(crate) fn without(
        &self,
        image: &PatchImage,
        (stream, origin): (StreamKind, u64),
        taken: impl IntoIterator<Item = Range<u64>>,
    ) -> Self {
        let in_image = |range: &Range<u64>| origin + range.start..origin + range.end;
        let left = Ranges::without(self.bytes(), taken);
        let left = Ranges::new(left.iter().map(|(range, _)| in_image(range)));
        let (all, all_starts) = (image.records(stream), image.chunk_starts(stream));
        let (mut records, mut starts) = (Vec::new(), Vec::new());
        for (range, before) in left.iter() {
            let first = all_starts.partition_point(|&start| start < range.start);
            for (record, &start) in all.iter().zip(all_starts).skip(first) {
                if start + u64::from(record.len) > range.end {
                    break;
                }
                records.push(*record);
                starts.push(before + (start - range.start));
            }
        }
        Self { ranges: left, chunks: Some(Chunks::new(records, starts)) }
    }

    /// The ranges of the stream, each with its place in the side.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (&Range<u64>, u64)> {
        self.ranges.iter()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ranges.bytes()
    }

    /// The chunks, unless they are the image's.
    pub(crate) fn chunks(&self) -> Option<&Chunks> {
        self.chunks.as_ref()
    }

    /// Fills `out` with the bytes from `at` on.
    pub(crate) fn read(&self, image: &PatchImage, stream: StreamKind, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.ranges.read(at, out, |at, out| image.seed().read_stream(stream, at, out))
    }
}
