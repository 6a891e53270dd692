//! The segments of a stream, cut while an image is read.
//!
//! By version 3 of the walking rules, segments end where a unit ends. Which units an image has is certain only at its
//! end: if there is no tar among the candidates for parts, the image itself is the only part. But a segment that lies
//! in the pack of its chunks costs a few bytes, and elsewhere 34 bytes for each record. So segments are cut by what is
//! known when a chunk comes, and the caller adds at the end those that were not foreseen.

use regrow_chunker::Record;
use regrow_image::{UnitGuess, WalkRules};
use regrow_index::{Segment, SegmentCutter};

/// Cuts the segments of one stream.
pub(super) enum Cutters {
    /// All records of the stream are cut in a row.
    Stream(SegmentCutter),
    /// Records are cut by unit.
    Units(Box<UnitCutters>),
}

/// Cuts segments by unit, as if the image were one part and as if its candidates were parts.
#[derive(Default)]
pub(super) struct UnitCutters {
    /// The records outside and inside of the outermost tar, for an image that is one part.
    whole: [SegmentCutter; 2],
    /// The records outside of candidates.
    wrapper: SegmentCutter,
    /// The records of the present candidate, and its number.
    candidate: SegmentCutter,
    number: u32,
}

impl Cutters {
    pub(super) fn new(rules: WalkRules) -> Self {
        match rules {
            WalkRules::V2 => Self::Stream(SegmentCutter::default()),
            _ => Self::Units(Box::default()),
        }
    }

    /// Takes in the next record. Returns the segments that it completes, as far as is known now.
    pub(super) fn push(&mut self, record: Record, unit: UnitGuess) -> [Option<Segment>; 2] {
        match self {
            Self::Stream(cutter) => [None, cutter.push(record)],
            Self::Units(cutters) => cutters.push(record, unit),
        }
    }

    /// Returns the last segment of a stream that is cut in a row.
    pub(super) fn finish(&mut self) -> Option<Segment> {
        match self {
            Self::Stream(cutter) => cutter.finish(),
            Self::Units(_) => None,
        }
    }
}

impl UnitCutters {
    fn push(&mut self, record: Record, unit: UnitGuess) -> [Option<Segment>; 2] {
        let ended = if self.number == unit.candidate { None } else { self.candidate.finish() };
        self.number = unit.candidate;
        let by_unit = if unit.candidate == 0 { self.wrapper.push(record) } else { self.candidate.push(record) };
        if unit.has_tar {
            return [ended, by_unit];
        }
        [None, self.whole[usize::from(unit.is_in_tar)].push(record)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_chunker::ChunkId;

    fn record(number: usize) -> Record {
        Record { id: ChunkId::of(&number.to_le_bytes()), len: 1000 }
    }

    /// The segments of records, each with a guess of its unit.
    fn cut(units: &[UnitGuess]) -> Vec<Vec<Record>> {
        let mut cutters = Cutters::new(WalkRules::V3);
        let pushed = units.iter().enumerate().flat_map(|(number, unit)| cutters.push(record(number), *unit));
        pushed.flatten().map(Segment::into_records).collect()
    }

    #[test]
    fn an_image_is_one_part_until_a_tar_comes() {
        let guess = |candidate, has_tar| UnitGuess { candidate, has_tar, is_in_tar: true };
        let mut alone = SegmentCutter::default();
        let one_part: Vec<_> = (0..600).filter_map(|n| alone.push(record(n))).map(Segment::into_records).collect();
        let units: Vec<UnitGuess> = (0..600).map(|n| guess(if n < 300 { 0 } else { 1 }, false)).collect();
        assert_eq!(cut(&units), one_part);
        // The first records are the wrapper's, then a tar of ten records comes, and then the wrapper again.
        let tar = |n| (5..15).contains(&n);
        let units: Vec<UnitGuess> = (0..17).map(|n| guess(u32::from(tar(n)), n >= 5)).collect();
        assert_eq!(cut(&units), [(5..15).map(record).collect::<Vec<_>>()]);
    }
}
