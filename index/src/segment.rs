//! Recipe segments: content-defined runs of chunk records, named by their hash. FORMAT.md, section 4.

use regrow_chunker::{MAX_CHUNK_BYTES, Record, SegmentId, varint};

use crate::IndexError;

/// The largest number of records in a segment.
pub const MAX_SEGMENT_RECORDS: usize = 256;
const MIN_SEGMENT_RECORDS: usize = 16;
/// After `MIN_SEGMENT_RECORDS`, one record in 48 ends a segment on average.
const CUT_BELOW: u32 = u32::MAX / 48;
/// The kind of segments that hold chunk records.
pub(crate) const KIND_RECORDS: u8 = 1;

/// A run of records of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    records: Vec<Record>,
}

impl Segment {
    /// Makes a segment of these records.
    ///
    /// # Errors
    /// [`IndexError::Segment`] if there are no records or more than [`MAX_SEGMENT_RECORDS`], or if a length is out
    /// of bounds.
    pub fn new(records: Vec<Record>) -> Result<Self, IndexError> {
        if records.is_empty() || records.len() > MAX_SEGMENT_RECORDS {
            return Err(IndexError::Segment("number of records"));
        }
        if records.iter().any(|record| record.len == 0 || record.len > MAX_CHUNK_BYTES) {
            return Err(IndexError::Segment("a chunk's length"));
        }
        Ok(Self { records })
    }

    /// The segment's records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Takes the records out of the segment.
    #[must_use]
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// The canonical form, which is hashed.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.records.len() * 35);
        out.push(KIND_RECORDS);
        for record in &self.records {
            out.extend_from_slice(record.id.as_bytes());
            varint::put(&mut out, u64::from(record.len));
        }
        out
    }

    /// The segment's id.
    #[must_use]
    pub fn id(&self) -> SegmentId {
        SegmentId::of_canonical(&self.canonical())
    }
}

/// Splits the records of a stream into segments.
#[derive(Debug, Default)]
pub struct SegmentCutter {
    records: Vec<Record>,
}

impl SegmentCutter {
    /// Takes in the next record, and returns the segment if the record ends one.
    pub fn push(&mut self, record: Record) -> Option<Segment> {
        self.records.push(record);
        let [a, b, c, d, ..] = *record.id.as_bytes();
        let ends = self.records.len() >= MIN_SEGMENT_RECORDS && u32::from_le_bytes([a, b, c, d]) < CUT_BELOW;
        (ends || self.records.len() == MAX_SEGMENT_RECORDS).then(|| self.take())
    }

    /// Ends the stream, and returns the last segment if there is one.
    pub fn finish(&mut self) -> Option<Segment> {
        (!self.records.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Segment {
        Segment { records: std::mem::take(&mut self.records) }
    }
}
