//! Joins the pieces of a pack into requests: neighbours go together, over small gaps, but no request is so long that
//! connections cannot share the work.

use std::collections::VecDeque;
use std::ops::Range;

use regrow_store::Span;

/// The largest gap of unwanted bytes that costs less than a request of its own. It applies between two frames, and
/// within a frame that is read by the chunk. At 50 ms and 20 Mbit/s a round trip is worth 125 KB, but several requests
/// are in flight, and bytes are what users pay for.
pub(crate) const GAP_BYTES: u64 = 16 << 10;
/// A pack is asked for whole, without a range, if at most one part in this many of it is not wanted.
const UNWANTED_SHARE: u64 = 64;
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
    /// The size of the pack, if it is asked for whole.
    pub(crate) whole_bytes: Option<u64>,
}

impl RangeJob {
    /// Asks for the whole pack, whose size this is, if nearly all of it is wanted. Some caches keep only answers that
    /// are whole objects. `plain_bytes` are those of its frames: what hardly compresses would cost more than the image
    /// itself.
    pub(crate) fn widen(&mut self, pack_bytes: u64, plain_bytes: u64) {
        let unwanted = pack_bytes.saturating_sub(self.bytes());
        if unwanted <= pack_bytes / UNWANTED_SHARE && pack_bytes.saturating_add(unwanted) <= plain_bytes {
            self.whole_bytes = Some(pack_bytes);
        }
    }

    /// The bytes to ask for. After a failure only those that are still missing are asked for.
    pub(crate) fn span(&mut self) -> Option<(Span, u64)> {
        let range = self.range()?;
        Some(match self.whole_bytes.take() {
            Some(_) => (Span::Whole, 0),
            None => (Span::Range(range.clone()), range.start),
        })
    }

    /// The range from the first piece's start to the last one's end.
    pub(crate) fn range(&self) -> Option<Range<u64>> {
        Some(self.pieces.front()?.stored.start..self.pieces.back()?.stored.end)
    }

    /// The number of bytes that are asked for.
    pub(crate) fn bytes(&self) -> u64 {
        self.whole_bytes.unwrap_or_else(|| self.range().map_or(0, |range| range.end - range.start))
    }
}

/// Makes requests of pieces, which must be sorted by pack and position.
pub(crate) fn join(pieces: impl Iterator<Item = (u32, Piece)>) -> Vec<RangeJob> {
    let mut jobs: Vec<RangeJob> = Vec::new();
    for (pack, piece) in pieces {
        match jobs.last_mut() {
            Some(job) if job.pack == pack && joins(job, &piece.stored) => job.pieces.push_back(piece),
            _ => jobs.push(RangeJob { pack, pieces: [piece].into(), whole_bytes: None }),
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

    #[test]
    fn a_pack_is_asked_for_whole_once() {
        let piece = |start: u64, end| Piece { frame: 0, stored: start..end, part: None };
        let mut job =
            RangeJob { pack: 0, pieces: [piece(16, 500_000), piece(500_000, 970_000)].into(), whole_bytes: None };
        job.widen(985_500, u64::MAX);
        job.widen(985_300, 1_000_600);
        assert_eq!(job.bytes(), 969_984, "too much of it is not wanted, or it does not compress");
        job.widen(985_300, 1_001_000);
        assert_eq!((job.bytes(), job.span()), (985_300, Some((Span::Whole, 0))));
        job.pieces.pop_front();
        assert_eq!(job.span(), Some((Span::Range(500_000..970_000), 500_000)), "the rest after a failure");
    }
}
