//! Estimates the size of a patch before it is made, so that little time goes into a patch that saves little.
//!
//! What a patch costs lies almost wholly in the bytes that chunks would bring too. So some of the files that have such
//! bytes are matched and coded, and short cuts of large ones, and the rest is taken to cost as much for each byte.

use std::ops::Range;
use std::path::Path;

use regrow_delta::{Coding, DeltaEncoder};
use regrow_image::StreamKind;
use regrow_local::LocalError;

use crate::expand::UsedMembers;
use crate::joined::JoinedBase;
use crate::level::PatchLevel;
use crate::oplog::OpLog;
use crate::side::Side;
use crate::space::BaseSpace;
use crate::stretches::merged;
use crate::unit::{Source, Unit, Unknown};

/// A unit of a sample.
pub(super) enum Sampled {
    /// The unit at this position, which is matched for the patch too.
    Whole(usize),
    /// A cut of a unit.
    Cut(Unit),
}

/// The number of new bytes from which on a sample is taken. What is smaller is made within seconds.
pub(crate) const SAMPLED_FROM_BYTES: u64 = 16 << 20;
/// The least and the largest number of points, evenly spread over the new bytes, whose files are the sample.
const POINTS: (u64, u64) = (6, 24);
/// The size that a sample has about, as long as it has enough points. Matching and coding it takes some seconds.
const SAMPLE_BYTES: u64 = 4 << 20;
/// The size of the cuts that stand for pieces of large files.
const CUT_BYTES: u64 = 64 << 10;
/// The distance to which the base is searched around the place where a cut would be.
const AROUND_BYTES: u64 = 256 << 10;

/// Some of a plan's units.
pub(super) struct Sample {
    /// The positions of whole units, and cuts of others, in the order of the units.
    pub(super) units: Vec<Sampled>,
    /// The new bytes of these units, and of all.
    sampled: u64,
    total: u64,
}

impl Sample {
    /// Chooses a sample of units. There is none if there are fewer new bytes than `from`.
    pub(super) fn of(base: &Side, target: &Side, units: &[Unit], from: u64) -> Option<Self> {
        let news = News::of(base, target);
        let new_bytes: Vec<u64> = units.iter().map(|unit| news.of_unit(unit)).collect();
        let total = new_bytes.iter().sum::<u64>();
        if total < from.max(1) {
            return None;
        }
        let mut sample = Self { units: Vec::new(), sampled: 0, total };
        let sizes: Vec<u64> =
            units.iter().zip(&new_bytes).map(|(unit, &bytes)| bytes.min(most_sampled(unit))).collect();
        let points = points(&new_bytes, &sizes, total);
        let (mut passed, mut point) = (0, 0);
        let mut last_target = None;
        for (number, (unit, bytes)) in units.iter().zip(new_bytes).enumerate() {
            let before = passed;
            passed += bytes;
            // Half a distance lies before the first point, and half a one behind the last.
            let at = |point: u64| (u128::from(total) * u128::from(point * 2 + 1) / u128::from(points * 2)) as u64;
            let mut is_taken = false;
            while point < points && at(point) < passed {
                if is_piece(unit) {
                    let cut = cut(unit, news.place_in(unit, at(point) - before));
                    sample.push((&cut.clone(), Sampled::Cut(cut)), &mut last_target, &news);
                } else if !std::mem::replace(&mut is_taken, true) {
                    sample.push((unit, Sampled::Whole(number)), &mut last_target, &news);
                }
                point += 1;
            }
        }
        (sample.sampled > 0).then_some(sample)
    }

    fn push(&mut self, (unit, sampled): (&Unit, Sampled), last: &mut Option<Range<u64>>, news: &News<'_>) {
        // Cuts of the same piece do not overlap. Joined files come first, but lie behind all other bytes.
        let is_apart = |last: &Range<u64>| last.end <= unit.target.start || unit.target.end <= last.start;
        if last.as_ref().is_none_or(is_apart) {
            self.sampled += news.of_unit(unit);
            self.units.push(sampled);
            *last = Some(unit.target.clone());
        }
    }

    /// The cuts, in order.
    pub(super) fn cuts(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter_map(|sampled| match sampled {
            Sampled::Whole(_) => None,
            Sampled::Cut(cut) => Some(cut),
        })
    }

    /// The size of the patch, if the sample takes this many coded bytes.
    pub(super) fn estimate(&self, coded: u64) -> u64 {
        (u128::from(coded) * u128::from(self.total) / u128::from(self.sampled.max(1))) as u64
    }
}

/// Whether a unit is a piece of something large.
fn is_piece(unit: &Unit) -> bool {
    matches!(&unit.source, Source::Unknown(Unknown { file: None, .. }))
}

/// The largest number of bytes of a unit that are sampled for one point.
fn most_sampled(unit: &Unit) -> u64 {
    if is_piece(unit) { CUT_BYTES } else { u64::MAX }
}

/// A cut of a piece that begins at about `at`, to be matched against the base around its place.
fn cut(unit: &Unit, at: u64) -> Unit {
    let Range { start, end } = unit.target;
    let at = at.min(end.saturating_sub(CUT_BYTES)).max(start);
    let target = at..end.min(at + CUT_BYTES);
    let Source::Unknown(unknown) = &unit.source else { return unit.clone() };
    let bytes = target.end - target.start;
    let near = unknown.near.iter().flat_map(|near| {
        // The near range reaches beyond the piece at both ends, or is two such ranges in one, for either end.
        let from_start = near.start + (at - start);
        let from_end = near.end.saturating_sub(end - at);
        let reach = 2 * AROUND_BYTES + bytes;
        let around = [from_start..from_start.saturating_add(reach), from_end.saturating_sub(reach)..from_end];
        around.map(|range| range.start.max(near.start)..range.end.min(near.end))
    });
    let near = merged(near.filter(|range| range.start < range.end).collect());
    Unit { target, source: Source::Unknown(Unknown { near, ..unknown.clone() }) }
}

/// The number of points for units with these new bytes, of which a point samples these many. A point lies in a large unit more
/// often than in a small one.
fn points(new_bytes: &[u64], sizes: &[u64], total: u64) -> u64 {
    let products = new_bytes.iter().zip(sizes).map(|(&bytes, &size)| u128::from(bytes) * u128::from(size));
    let mean = (products.sum::<u128>() / u128::from(total.max(1))).max(1);
    (u128::from(SAMPLE_BYTES) / mean).clamp(POINTS.0.into(), POINTS.1.into()) as u64
}

/// The number of bytes that ops take when they are coded.
pub(super) fn coded_bytes(
    base: &Side,
    (members, ops, target_bytes): (&UsedMembers, &OpLog, u64),
    level: PatchLevel,
    scratch: &Path,
) -> Result<u64, LocalError> {
    let failed = |error| LocalError::io("the patch that is made")(std::io::Error::other(error));
    let joined = JoinedBase { files: base.joined(), members: &members.joined };
    let base = base.base();
    let space = BaseSpace::new(&base, &members.members, joined, scratch)?;
    let coding = Coding::choose(ops.statistics());
    let mut encoder = DeltaEncoder::new(&space, target_bytes, coding, level.coder(), Vec::new()).map_err(failed)?;
    for op in ops.iter() {
        encoder.push(&op?).map_err(failed)?;
    }
    Ok(encoder.finish().map_err(failed)?.len() as u64)
}

/// The bytes of the target's contents that lie in chunks that the base does not have.
struct News<'a> {
    target: &'a Side,
    /// For each chunk, whether it is new, and the number of new bytes before it.
    chunks: Vec<(bool, u64)>,
    total: u64,
}

impl<'a> News<'a> {
    fn of(base: &Side, target: &'a Side) -> Self {
        let mut total = 0;
        let chunk = |record: &regrow_chunker::Record| {
            let before = total;
            let is_new = base.find(StreamKind::Contents, &record.id).is_none();
            total += if is_new { u64::from(record.len) } else { 0 };
            (is_new, before)
        };
        let chunks = target.records(StreamKind::Contents).iter().map(chunk).collect();
        Self { target, chunks, total }
    }

    /// The number of new bytes before this place in the contents.
    fn before(&self, at: u64) -> u64 {
        let starts = self.target.chunk_starts(StreamKind::Contents);
        let number = starts.partition_point(|&start| start <= at).saturating_sub(1);
        match (self.chunks.get(number), starts.get(number)) {
            (Some((is_new, before)), Some(start)) => {
                let end = self.chunks.get(number + 1).map_or(self.total, |(_, next)| *next);
                if *is_new { (before + at.saturating_sub(*start)).min(end) } else { *before }
            }
            _ => self.total,
        }
    }

    fn of_unit(&self, unit: &Unit) -> u64 {
        if matches!(unit.source, Source::Same(_)) {
            return 0;
        }
        let skeleton = self.target.skeleton_bytes();
        if unit.target.start >= skeleton + self.target.contents_bytes() {
            // A joined file, of which some piece is new.
            return unit.target.end - unit.target.start;
        }
        let (start, end) = (unit.target.start.saturating_sub(skeleton), unit.target.end.saturating_sub(skeleton));
        self.before(end) - self.before(start)
    }

    /// The place in the stored space behind this many new bytes of a unit.
    fn place_in(&self, unit: &Unit, news: u64) -> u64 {
        let skeleton = self.target.skeleton_bytes();
        let wanted = self.before(unit.target.start.saturating_sub(skeleton)) + news;
        let number = self.chunks.partition_point(|(_, before)| *before <= wanted).saturating_sub(1);
        let start = self.target.chunk_starts(StreamKind::Contents).get(number).copied().unwrap_or(0);
        let within = wanted - self.chunks.get(number).map_or(wanted, |(_, before)| *before);
        (skeleton + start + within).clamp(unit.target.start, unit.target.end)
    }
}
