//! The chunks of one stream, with their places in it.

use std::ops::Range;

use regrow_chunker::Record;

/// The chunks of a stream, with their places in it.
pub struct StreamChunks {
    skeleton: bool,
    records: Vec<Record>,
    /// The offset of each chunk in the stream, and then the end of the stream.
    starts: Vec<u64>,
}

impl StreamChunks {
    /// Makes the stream that consists of these chunks.
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

    /// Whether the stream is the skeleton.
    pub fn is_skeleton(&self) -> bool {
        self.skeleton
    }

    /// The number of chunks.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no chunks.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The stream's chunks, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The chunk at this position.
    pub fn record(&self, chunk: usize) -> Record {
        self.records[chunk]
    }

    /// The range of the stream that this chunk covers.
    pub fn range(&self, chunk: usize) -> Range<u64> {
        self.starts[chunk]..self.starts[chunk + 1]
    }

    /// The chunk that holds this byte of the stream.
    pub fn chunk_at(&self, at: u64) -> usize {
        self.starts.partition_point(|&start| start <= at) - 1
    }
}
