//! Checks that the chunks of a patched image make the segments that the index lists.

use std::collections::BTreeMap;
use std::ops::Range;

use regrow_chunker::{Record, SegmentId};
use regrow_index::{Index, Segment, SegmentRef, StreamHead};

/// The segments of one stream, and the records that are known of them. By version 2 of the index the records of a unit
/// do not lie in a row, so several segments may be open at a time.
pub(super) struct SegmentCheck {
    /// The order of the stream: ranges of the records that the segments list.
    order: std::vec::IntoIter<Range<u64>>,
    /// The rest of the present range.
    rest: Range<u64>,
    /// The segments, each with the number of records up to its end.
    segments: Vec<(u64, SegmentRef)>,
    /// The records of the segments that have begun, by the segment's number.
    open: BTreeMap<usize, Vec<Record>>,
}

impl SegmentCheck {
    /// Prepares the checks for the skeleton and the contents of an image.
    pub(super) fn of_streams(index: &Index) -> [Self; 2] {
        [Self::new(&index.skeleton, index.skeleton_order()), Self::new(&index.contents, index.contents_order())]
    }

    fn new(stream: &StreamHead, order: Vec<Range<u64>>) -> Self {
        let end = |end: &mut u64, segment: &SegmentRef| {
            *end += u64::from(segment.records);
            Some((*end, *segment))
        };
        let segments = stream.segments.iter().scan(0, end).collect();
        Self { order: order.into_iter(), rest: 0..0, segments, open: BTreeMap::new() }
    }

    /// Takes in the stream's next record. Returns `false` if a segment is not the one that the index lists.
    pub(super) fn push(&mut self, record: Record) -> bool {
        while self.rest.is_empty() {
            let Some(next) = self.order.next() else { return false };
            self.rest = next;
        }
        let at = self.rest.start;
        self.rest.start += 1;
        let number = self.segments.partition_point(|(end, _)| *end <= at);
        let Some((_, expected)) = self.segments.get(number) else { return false };
        let records = self.open.entry(number).or_default();
        records.push(record);
        if records.len() < expected.records as usize {
            return true;
        }
        let records = self.open.remove(&number).unwrap_or_default();
        id_of(records) == Some(expected.id)
    }
}

fn id_of(records: Vec<Record>) -> Option<SegmentId> {
    Segment::new(records).ok().map(|segment| segment.id())
}
