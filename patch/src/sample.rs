//! Estimates the size of a patch before it is made, so that little time goes into a patch that saves little.
//!
//! What a patch costs lies almost wholly in the bytes that chunks would bring too. So some of the files that have such
//! bytes are matched and coded, and the rest is taken to cost as much for each byte.

use std::path::Path;

use regrow_delta::{Coding, DeltaEncoder};
use regrow_image::StreamKind;
use regrow_local::LocalError;

use crate::level::PatchLevel;
use crate::members::BaseMember;
use crate::oplog::OpLog;
use crate::ops::Task;
use crate::side::Side;
use crate::space::BaseSpace;

/// The number of new bytes from which on a sample is taken. What is smaller is made within seconds.
pub(crate) const SAMPLED_FROM_BYTES: u64 = 16 << 20;
/// The least and the largest number of points, evenly spread over the new bytes, whose files are the sample.
const POINTS: (u64, u64) = (6, 24);
/// The size that a sample has about, as long as it has enough points. Matching and coding it takes some seconds.
const SAMPLE_BYTES: u64 = 4 << 20;

/// Some of a plan's tasks.
pub(super) struct Sample {
    pub(super) tasks: Vec<Task>,
    /// The new bytes of these tasks, and of all.
    sampled: u64,
    total: u64,
}

impl Sample {
    /// Chooses a sample of tasks. There is none if there are fewer new bytes than `from`.
    pub(super) fn of(base: &Side, target: &Side, tasks: &[Task], from: u64) -> Option<Self> {
        let news = News::of(base, target);
        let new_bytes: Vec<u64> = tasks.iter().map(|task| news.of_task(task)).collect();
        let total = new_bytes.iter().sum::<u64>();
        if total < from.max(1) {
            return None;
        }
        let mut sample = Self { tasks: Vec::new(), sampled: 0, total };
        let points = points(&new_bytes, total);
        let (mut passed, mut point) = (0, 0);
        for (task, bytes) in tasks.iter().zip(new_bytes) {
            passed += bytes;
            // Half a distance lies before the first point, and half a one behind the last.
            let at = |point: u64| (u128::from(total) * u128::from(point * 2 + 1) / u128::from(points * 2)) as u64;
            if point == points || at(point) >= passed {
                continue;
            }
            while point < points && at(point) < passed {
                point += 1;
            }
            sample.tasks.push(task.clone());
            sample.sampled += bytes;
        }
        (sample.sampled > 0).then_some(sample)
    }

    /// The size of the patch, if the sample takes this many coded bytes.
    pub(super) fn estimate(&self, coded: u64) -> u64 {
        (u128::from(coded) * u128::from(self.total) / u128::from(self.sampled.max(1))) as u64
    }
}

/// The number of points for tasks with these new bytes. A point lies in a large task more often than in a small one.
fn points(new_bytes: &[u64], total: u64) -> u64 {
    let squares: u128 = new_bytes.iter().map(|&bytes| u128::from(bytes) * u128::from(bytes)).sum();
    let mean = (squares / u128::from(total.max(1))).max(1);
    (u128::from(SAMPLE_BYTES) / mean).clamp(POINTS.0.into(), POINTS.1.into()) as u64
}

/// The number of bytes that ops take when they are coded.
pub(super) fn coded_bytes(
    base: &Side,
    (members, ops, target_bytes): (&[BaseMember], &OpLog, u64),
    level: PatchLevel,
    scratch: &Path,
) -> Result<u64, LocalError> {
    let failed = |error| LocalError::io("the patch that is made")(std::io::Error::other(error));
    let base = base.base();
    let space = BaseSpace::new(&base, members, scratch)?;
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

    fn of_task(&self, task: &Task) -> u64 {
        let Task::Match { target, .. } = task else { return 0 };
        let skeleton = self.target.skeleton_bytes();
        let (start, end) = (target.start.saturating_sub(skeleton), target.end.saturating_sub(skeleton));
        self.before(end) - self.before(start)
    }
}
