//! Some units of an image, as an index of their own.

use std::ops::Range;

use crate::units::{Unit, UnitStream};
use crate::{Index, Run, StreamHead};

/// A unit's share of one stream, by the fields of [`Unit`].
type Share = fn(&Unit) -> UnitStream;

impl Index {
    /// The index of some units alone, as if each stream were theirs, one behind the other. Units have the numbers of
    /// [`Index::unit_segments`], and may come in any order. The packs are all those of this index, so that their numbers
    /// stay the same. An index without units has none to select, and gives an empty one.
    #[must_use]
    pub fn of_units(&self, units: &[usize]) -> Self {
        let (mut skeleton, mut contents) = (StreamHead::default(), StreamHead::default());
        for &unit in units {
            let [of_skeleton, of_contents] = self.unit_segments(unit);
            for (head, segments, share) in [
                (&mut skeleton, of_skeleton, (|unit| unit.skeleton) as Share),
                (&mut contents, of_contents, |unit| unit.contents),
            ] {
                let share = self.unit(unit).map(share).unwrap_or_default();
                head.bytes = head.bytes.saturating_add(share.bytes);
                head.chunks = head.chunks.saturating_add(share.chunks);
                head.segments.extend_from_slice(segments);
            }
        }
        let chunks = self.chunks_of(units);
        let segments = self.segments_of(units);
        let parts = |unit: &usize| unit.checked_sub(1).and_then(|part| self.units.as_ref()?.parts.get(part));
        let plain_bytes = |unit| parts(unit).map_or(0, |part| part.plain_bytes);
        Self {
            image_bytes: units.iter().map(plain_bytes).fold(0, u64::saturating_add),
            skeleton,
            contents,
            packs: self.packs.clone(),
            chunk_runs: Starts::of(&self.chunk_runs).cut(&self.chunk_runs, &chunks),
            segment_runs: Starts::of(&self.segment_runs).cut(&self.segment_runs, &segments),
            store: self.store.clone(),
            codings: Vec::new(),
            fresh_packs: self.fresh_packs.clone(),
            patches: Vec::new(),
            units: None,
            ..*self
        }
    }

    fn unit(&self, number: usize) -> Option<&Unit> {
        self.units.as_ref().and_then(|units| units.iter().nth(number))
    }

    /// The ranges of the image's chunks, those of the skeleton first, that belong to these units, in their order.
    fn chunks_of(&self, units: &[usize]) -> Vec<Range<u64>> {
        let skeleton = placed(&self.skeleton_order(), 0);
        let contents = placed(&self.contents_order(), self.skeleton.chunks);
        let mut ranges = Vec::new();
        for (placed, share) in [(&skeleton, (|unit| unit.skeleton) as Share), (&contents, |unit| unit.contents)] {
            let listed = self.listed(|unit| share(unit).chunks);
            for range in units.iter().filter_map(|&unit| listed.get(unit)) {
                let first = placed.partition_point(|(found, _)| found.end <= range.start);
                for (found, at) in placed[first..].iter().take_while(|(found, _)| found.start < range.end) {
                    let both = found.start.max(range.start)..found.end.min(range.end);
                    let from = at + (both.start - found.start);
                    ranges.push(from..from + (both.end - both.start));
                }
            }
        }
        ranges
    }

    /// The ranges of the image's segments that belong to these units, in their order.
    fn segments_of(&self, units: &[usize]) -> Vec<Range<u64>> {
        let before = [0, self.skeleton.segments.len() as u64];
        let mut ranges = Vec::new();
        for (before, share) in before.into_iter().zip([(|unit| unit.skeleton) as Share, |unit| unit.contents]) {
            let listed = self.listed(|unit| u64::from(share(unit).segments));
            let of_units = units.iter().filter_map(|&unit| listed.get(unit));
            ranges.extend(of_units.map(|range| before + range.start..before + range.end));
        }
        ranges
    }

    /// The range of each unit among what an index lists unit by unit.
    fn listed(&self, count: impl Fn(&Unit) -> u64) -> Vec<Range<u64>> {
        let counts: Vec<u64> = self.units.iter().flat_map(|units| units.iter()).map(count).collect();
        starts(&counts).zip(&counts).map(|(start, count)| start..start.saturating_add(*count)).collect()
    }
}

/// The number of items before each of these runs.
fn starts(counts: &[u64]) -> impl Iterator<Item = u64> + '_ {
    counts.iter().scan(0u64, |at, count| {
        let start = *at;
        *at = at.saturating_add(*count);
        Some(start)
    })
}

/// The ranges of listed records, sorted, each with the number of its first record in the streams.
fn placed(order: &[Range<u64>], first: u64) -> Vec<(Range<u64>, u64)> {
    let counts: Vec<u64> = order.iter().map(|range| range.end - range.start).collect();
    let at = starts(&counts).map(|start| first.saturating_add(start));
    let mut placed: Vec<(Range<u64>, u64)> = order.iter().cloned().zip(at).collect();
    placed.sort_unstable_by_key(|(range, _)| range.start);
    placed
}

/// The beginnings of runs, for looking up where an item lies.
struct Starts(Vec<u64>);

impl Starts {
    fn of(runs: &[Run]) -> Self {
        let counts: Vec<u64> = runs.iter().map(|run| run.count).collect();
        Self(starts(&counts).collect())
    }

    /// The runs of these ranges of items, one behind the other.
    fn cut(&self, runs: &[Run], ranges: &[Range<u64>]) -> Vec<Run> {
        let mut cut: Vec<Run> = Vec::new();
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            let first = self.0.partition_point(|start| *start <= range.start).saturating_sub(1);
            for (run, start) in runs[first.min(runs.len())..].iter().zip(&self.0[first.min(runs.len())..]) {
                if *start >= range.end {
                    break;
                }
                let count = start.saturating_add(run.count).min(range.end).saturating_sub(range.start.max(*start));
                match cut.last_mut() {
                    Some(last) if last.pack == run.pack => last.count += count,
                    _ => cut.push(Run { count, pack: run.pack }),
                }
            }
        }
        cut.retain(|run| run.count > 0);
        cut
    }
}
