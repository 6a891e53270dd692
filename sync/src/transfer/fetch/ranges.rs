//! Joins the pieces of a pack into requests: neighbours go together, over small gaps, but no request is so long that
//! connections cannot share the work.

use std::collections::VecDeque;
use std::ops::Range;

/// The largest gap of unwanted bytes that costs less than a request of its own. It applies between two frames, and
/// within a frame that is read by the chunk. At 50 ms and 20 Mbit/s a round trip is worth 125 KB, but several requests
/// are in flight, and bytes are what users pay for.
pub(crate) const GAP_BYTES: u64 = 16 << 10;
/// The largest range of one request, so that several connections share the work.
const RANGE_BYTES: u64 = 8 << 20;

/// A frame that is requested, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) frame: u32,
    /// The range of bytes in the pack.
    pub(crate) stored: Range<u64>,
    /// The plain bytes in this piece, if it is a part of a frame that is stored uncompressed.
    pub(crate) part: Option<Range<u64>>,
}

/// Consecutive pieces of a pack, fetched by one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeJob {
    pub(crate) pack: u32,
    pub(crate) pieces: VecDeque<Piece>,
}

impl RangeJob {
    /// The range from the first piece's start to the last one's end.
    pub(crate) fn range(&self) -> Option<Range<u64>> {
        Some(self.pieces.front()?.stored.start..self.pieces.back()?.stored.end)
    }

    /// The length of the range in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.range().map_or(0, |range| range.end - range.start)
    }
}

/// Makes requests of pieces, which must be sorted by pack and position.
pub(crate) fn join(pieces: impl Iterator<Item = (u32, Piece)>) -> Vec<RangeJob> {
    let mut jobs: Vec<RangeJob> = Vec::new();
    for (pack, piece) in pieces {
        match jobs.last_mut() {
            Some(job) if job.pack == pack && joins(job, &piece.stored) => job.pieces.push_back(piece),
            _ => jobs.push(RangeJob { pack, pieces: [piece].into() }),
        }
    }
    jobs
}

fn joins(job: &RangeJob, next: &Range<u64>) -> bool {
    job.range().is_some_and(|range| {
        range.end <= next.start && next.start - range.end <= GAP_BYTES && next.end - range.start <= RANGE_BYTES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_and_long_runs_split() {
        let frame =
            |pack, frame: u32, start: u64, len: u64| (pack, Piece { frame, stored: start..start + len, part: None });
        let jobs = join(
            [
                frame(0, 0, 16, 1000),
                frame(0, 1, 1016, 1000),
                frame(0, 3, 2016 + GAP_BYTES, 1000),
                frame(0, 9, 900_000, 1000),
                frame(1, 0, 901_000, 5 << 20),
                frame(1, 1, 901_000 + (5 << 20), 5 << 20),
            ]
            .into_iter(),
        );
        let shape: Vec<(u32, usize)> = jobs.iter().map(|job| (job.pack, job.pieces.len())).collect();
        assert_eq!(shape, [(0, 3), (0, 1), (1, 1), (1, 1)]);
        assert_eq!(jobs[0].bytes(), 3000 + GAP_BYTES);
    }
}
