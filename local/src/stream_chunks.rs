//! The chunks of one stream with their places.

use std::ops::Range;

use regrow_chunker::Record;

/// A stream's chunks, and where each of them lies in the stream.
pub struct StreamChunks {
    skeleton: bool,
    records: Vec<Record>,
    /// Where each begins in the stream, and where the stream ends.
    starts: Vec<u64>,
}

impl StreamChunks {
    /// The stream that consists of these chunks.
    pub fn new(skeleton: bool, records: Vec<Record>) -> Self {
        let mut starts = Vec::with_capacity(records.len() + 1);
        starts.push(0);
        let mut at = 0;
        starts.extend(records.iter().map(|record| {
            at += u64::from(record.len);
            at
        }));
        Self { skeleton, records, starts }
    }

    /// Whether it is the skeleton.
    pub fn is_skeleton(&self) -> bool {
        self.skeleton
    }

    /// How many chunks it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Its chunks, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The chunk of this number.
    pub fn record(&self, chunk: usize) -> Record {
        self.records[chunk]
    }

    /// Bytes of the stream that are this chunk.
    pub fn range(&self, chunk: usize) -> Range<u64> {
        self.starts[chunk]..self.starts[chunk + 1]
    }

    /// The chunk that holds this byte of the stream.
    pub fn chunk_at(&self, at: u64) -> usize {
        self.starts.partition_point(|&start| start <= at) - 1
    }
}
