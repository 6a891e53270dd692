//! Plans a patch between two images: it holds the order in which all parts of the patch are found.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use regrow_delta::{Builder, Op};
use regrow_local::{LocalError, NoProgress, Ordered, Pool, Progress, Stage};

use crate::expand::{BaseMembers, ExpandedMember, Place, UsedMembers, may_hold_members, streams_anywhere};
use crate::identity::identical;
use crate::level::PatchLevel;
use crate::members::{BaseMember, MAX_MEMBERS};
use crate::oplog::{Move, OpLog};
use crate::ops::{Matched, Matcher, Task};
use crate::pairing::by_name;
use crate::residue::replaced;
use crate::sample::{Sample, coded_bytes};
use crate::side::Side;
use crate::similar::{SPOT_BYTES, Similar, Spot};
use crate::stretches::merged;
use crate::unit::{Source, Unit, Unknown, WHOLE_BYTES, units};

/// The approximate memory of tasks that are running or waiting. A single task may take more.
const MEMORY_BYTES: u64 = 640 << 20;
/// Tasks are put together into a job until they match about this many bytes. Copies do not count.
const JOB_BYTES: u64 = 512 << 10;
const TASKS_A_JOB: usize = 512;
const JOBS_IN_FLIGHT: usize = 32;
/// The largest number of bytes that the parts of the base have together for one unit.
const MAX_PARTS_BYTES: u64 = 48 << 20;
/// The least number of bytes of a file without a format that holds members, for which they are looked for all the same.
const ANYWHERE_BYTES: u64 = 32 << 10;
const SEARCHES_IN_FLIGHT: usize = 8;

/// The contents of a patch, before they are coded.
pub(crate) struct PatchPlan {
    /// The base's members whose plain bytes the ops refer to.
    pub(crate) base_members: UsedMembers,
    /// The target's members that are plain bytes in the target space.
    pub(crate) target_members: Vec<ExpandedMember>,
    /// The ops from the base space to the target space.
    pub(crate) ops: OpLog,
    /// The size in bytes of the target's contents stream with its members as plain bytes.
    pub(crate) expanded_bytes: u64,
    /// Whether some large part of the target was matched in pieces.
    pub(crate) has_pieces: bool,
}

/// A limit for a patch's size, and from when on a sample tells early that it will be passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// The size in bytes, as a sample estimates it, from which on the patch is given up.
    pub(crate) estimated_bytes: u64,
    /// The number of new bytes from which on a sample is taken.
    pub(crate) sampled_from: u64,
}

/// The outcome of planning.
pub(crate) enum Planned {
    Plan(Box<PatchPlan>),
    /// The patch would have about this many bytes, which is beyond the limit.
    TooLarge(u64),
}

/// Finds out how the target is made from the base. Both must have been opened with the same parameters.
pub(crate) fn plan(
    (base, target): (&Arc<Side>, &Arc<Side>),
    level: PatchLevel,
    limit: Option<Limit>,
    pool: &Pool,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Planned, LocalError> {
    progress.begin(Stage::Compare, Some(target.stored_bytes()));
    let found = Planner { base, target, level, limit, pool }.plan(scratch, progress);
    progress.end(Stage::Compare);
    found
}

struct Planner<'a> {
    base: &'a Arc<Side>,
    target: &'a Arc<Side>,
    level: PatchLevel,
    limit: Option<Limit>,
    pool: &'a Pool,
}

impl Planner<'_> {
    fn plan(&self, scratch: &Path, progress: &dyn Progress) -> Result<Planned, LocalError> {
        let units = self.units()?;
        if let Some(bytes) = self.beyond_limit(&units, scratch)? {
            return Ok(Planned::TooLarge(bytes));
        }
        let plan = self.matched(units, scratch, progress)?.finish()?;
        Ok(Planned::Plan(Box::new(plan)))
    }

    /// Matches units.
    fn matched(&self, units: Vec<Unit>, scratch: &Path, progress: &dyn Progress) -> Result<Collected, LocalError> {
        let Self { base, target, pool, level, .. } = *self;
        let similar = Similar::find(base, target, &units, pool)?;
        let holds = self.units_with_streams(&units)?;
        let mut tasks = Vec::with_capacity(units.len());
        let mut expandable = BTreeSet::new();
        for (number, unit) in units.into_iter().enumerate() {
            tasks.push(self.task(number, (unit, holds[number]), &similar, &mut expandable)?);
        }
        drop(similar);
        let members = BaseMembers::find(base, &expandable, pool)?;
        let matcher = Arc::new(Matcher { base: Arc::clone(base), target: Arc::clone(target), members, level });
        let mut collected = Collected::new(Arc::clone(&matcher), scratch);
        self.run(&matcher, tasks, &mut collected, progress)?;
        collected.refine(pool)?;
        Ok(collected)
    }

    /// The units of the target. The lists of all files, from which they follow, are not kept.
    fn units(&self) -> Result<Vec<Unit>, LocalError> {
        let Self { base, target, pool, .. } = *self;
        let identical = identical(base, target, pool)?;
        let partners = by_name(base, target, |file| identical[file as usize].is_none());
        Ok(units(base, target, &identical, &partners))
    }

    /// Estimates the size of the patch from a sample, and returns it if it is beyond the limit.
    fn beyond_limit(&self, units: &[Unit], scratch: &Path) -> Result<Option<u64>, LocalError> {
        let Some(limit) = self.limit else { return Ok(None) };
        let Some(mut sample) = Sample::of(self.base, self.target, units, limit.sampled_from) else { return Ok(None) };
        let collected = self.matched(std::mem::take(&mut sample.units), scratch, &NoProgress)?;
        let bytes = collected.bytes;
        let (members, ops, _) = collected.complete()?;
        let coded = coded_bytes(self.base, (&members, &ops, bytes), self.level, scratch)?;
        Ok(Some(sample.estimate(coded)).filter(|&estimate| estimate > limit.estimated_bytes))
    }

    /// Tells which units have streams somewhere in them, whatever their formats.
    fn units_with_streams(&self, units: &[Unit]) -> Result<Vec<bool>, LocalError> {
        let (mut counts, mut jobs) = (vec![0; units.len()], Ordered::new(SEARCHES_IN_FLIGHT));
        let mut take =
            |found: Result<(usize, usize), LocalError>| found.map(|(number, streams)| counts[number] = streams);
        for (number, unit) in units.iter().enumerate() {
            let Source::Unknown(unknown) = &unit.source else { continue };
            let is_wanted = self.level.sees_through_deflate()
                && unit.target.start >= self.target.skeleton_bytes()
                && unit.target.end - unit.target.start >= if unknown.file.is_some() { ANYWHERE_BYTES } else { 1 };
            if !is_wanted || unknown.file.map_or(Ok(false), |file| may_hold_members(self.target, file))? {
                continue;
            }
            let (target, range) = (Arc::clone(self.target), unit.target.clone());
            jobs.push(self.pool.submit(move || Ok((number, streams_anywhere(&target, range)?))));
            while let Some(found) = jobs.next_over_limit()? {
                take(found)?;
            }
        }
        while let Some(found) = jobs.next()? {
            take(found)?;
        }
        let mut left = MAX_MEMBERS / 2;
        let holds = |streams: usize| {
            let is_allowed = streams <= left;
            left -= if is_allowed { streams } else { 0 };
            is_allowed && streams > 0
        };
        Ok(counts.into_iter().map(holds).collect())
    }

    /// Prepares a unit's task. `holds_streams` tells whether it has streams anywhere. The files of the base whose members
    /// are then needed are added to `expandable`.
    fn task(
        &self,
        number: usize,
        (unit, holds_streams): (Unit, bool),
        similar: &Similar,
        expandable: &mut BTreeSet<u32>,
    ) -> Result<Task, LocalError> {
        let target = unit.target;
        let unknown = match unit.source {
            Source::Same(base_at) => return Ok(Task::Copy { base_at, len: target.end - target.start }),
            Source::Unknown(unknown) => unknown,
        };
        let parts = self.parts(number, &target, &unknown, similar);
        let expanded = self.expanded(&target, unknown.file, holds_streams)?;
        if expanded.is_some() {
            for file in parts.iter().filter_map(|part| part.file.or_else(|| self.base.file_at(part.stored.start))) {
                if holds_streams || may_hold_members(self.base, file)? {
                    expandable.insert(file);
                }
            }
        }
        let from_start = |range: Range<u64>| range.start - target.start..range.end - target.start;
        let literals = self.target.literals_in(&target).map(from_start).collect();
        let is_piece = unknown.file.is_none() && target != (0..self.target.skeleton_bytes());
        Ok(Task::Match { target, parts, expanded, literals, is_piece })
    }

    /// The place of a unit, if its members are seen through.
    fn expanded(
        &self,
        target: &Range<u64>,
        file: Option<u32>,
        holds_streams: bool,
    ) -> Result<Option<Place>, LocalError> {
        let (found, is_whole) = match file {
            Some(file) => (Some(file), true),
            None => (self.target.file_at(target.start), false),
        };
        let Some(file) = found else { return Ok(None) };
        let has_format = is_whole && self.level.sees_through_deflate() && may_hold_members(self.target, file)?;
        let at = target.start - self.target.stored(&self.target.file(file)).start;
        Ok((holds_streams || has_format).then_some(Place { file, at, is_whole }))
    }

    /// The parts of the base that a unit is matched against. The likeliest is the last, since among equal matches
    /// the search takes the last.
    fn parts(&self, number: usize, target: &Range<u64>, unknown: &Unknown, similar: &Similar) -> Vec<Spot> {
        let mut parts = match unknown.file {
            Some(_) => self.parts_of_file(number, unknown, similar),
            None => self.parts_of_piece(number, target, unknown, similar),
        };
        let mut bytes = 0;
        parts.retain(|part| {
            bytes += part.stored.end - part.stored.start;
            bytes <= MAX_PARTS_BYTES
        });
        parts.reverse();
        parts
    }

    /// The parts for a file: the file of its name, and similar files.
    fn parts_of_file(&self, number: usize, unknown: &Unknown, similar: &Similar) -> Vec<Spot> {
        let partner = unknown.partner.map(|partner| {
            let stored = self.base.stored(&self.base.file(partner.file));
            (Spot { stored, file: Some(partner.file) }, partner.is_likely)
        });
        let partner = partner.filter(|(spot, _)| spot.stored.end - spot.stored.start <= WHOLE_BYTES);
        let mut parts: Vec<Spot> =
            partner.iter().filter(|(_, is_likely)| *is_likely).map(|(spot, _)| spot.clone()).collect();
        let known: Vec<_> = parts.iter().map(|spot| spot.stored.clone()).collect();
        parts.extend(similar.best(number, &known, self.level.similar_files()));
        if parts.is_empty() {
            parts.extend(partner.map(|(spot, _)| spot));
        }
        parts
    }

    /// The parts for a piece of something large, in order: the stretches around the place where it would be, and
    /// similar spots.
    fn parts_of_piece(&self, number: usize, target: &Range<u64>, unknown: &Unknown, similar: &Similar) -> Vec<Spot> {
        let limit = self.level.similar_files() + ((target.end - target.start) / SPOT_BYTES) as usize;
        let spots = similar.best(number, &unknown.near, limit).into_iter().map(|spot| spot.stored);
        let ranges = merged(unknown.near.iter().cloned().chain(spots).collect());
        ranges.into_iter().map(|stored| Spot { stored, file: None }).collect()
    }

    /// Does the tasks, many at a time, within bounds of memory.
    fn run(
        &self,
        matcher: &Arc<Matcher>,
        tasks: Vec<Task>,
        collected: &mut Collected,
        progress: &dyn Progress,
    ) -> Result<(), LocalError> {
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        let (mut costs, mut cost) = (VecDeque::new(), 0);
        let mut take = |matched: Result<Matched, LocalError>| {
            let matched = matched?;
            progress.add(Stage::Compare, matched.stored_bytes);
            collected.push(matched)
        };
        for batch in batches(tasks) {
            let batch_cost = batch.iter().map(Task::cost).sum::<u64>();
            while !costs.is_empty() && (cost + batch_cost > MEMORY_BYTES || costs.len() > JOBS_IN_FLIGHT) {
                cost -= costs.pop_front().unwrap_or(0);
                if let Some(matched) = jobs.next()? {
                    take(matched)?;
                }
            }
            cost += batch_cost;
            costs.push_back(batch_cost);
            let matcher = Arc::clone(matcher);
            jobs.push(self.pool.submit(move || matcher.run(&batch)));
        }
        while let Some(matched) = jobs.next()? {
            take(matched)?;
        }
        Ok(())
    }
}

/// Runs of tasks, each large enough for a job.
fn batches(tasks: Vec<Task>) -> impl Iterator<Item = Vec<Task>> {
    let mut tasks = tasks.into_iter();
    std::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for task in tasks.by_ref() {
            bytes += task.cost();
            batch.push(task);
            if bytes >= JOB_BYTES * 8 || batch.len() >= TASKS_A_JOB {
                break;
            }
        }
        (!batch.is_empty()).then_some(batch)
    })
}

/// The ops so far.
struct Collected {
    matcher: Arc<Matcher>,
    builder: Builder,
    ops: OpLog,
    members: Vec<ExpandedMember>,
    bytes: u64,
    /// The ranges of the target space that were matched as pieces of something large.
    pieces: Vec<Range<u64>>,
    /// For each member of the base, whether some op refers to it.
    is_used: Vec<bool>,
}

impl Collected {
    fn new(matcher: Arc<Matcher>, scratch: &Path) -> Self {
        let is_used = vec![false; matcher.members.all().len()];
        let (builder, ops) = (Builder::default(), OpLog::new(scratch));
        Self { matcher, builder, ops, members: Vec::new(), bytes: 0, pieces: Vec::new(), is_used }
    }

    fn push(&mut self, matched: Matched) -> Result<(), LocalError> {
        let from = self.bytes;
        self.pieces.extend(matched.pieces.into_iter().map(|piece| from + piece.start..from + piece.end));
        self.bytes += matched.bytes;
        self.members.extend(matched.members);
        matched.ops.into_iter().try_for_each(|op| self.push_op(op))
    }

    fn push_op(&mut self, op: Op) -> Result<(), LocalError> {
        self.builder.push(op).map_or(Ok(()), |op| self.log(&op))
    }

    /// Logs what the builder has.
    fn flush(&mut self) -> Result<(), LocalError> {
        std::mem::take(&mut self.builder).finish().map_or(Ok(()), |op| self.log(&op))
    }

    /// Looks for the literals of pieces in the whole base.
    fn refine(&mut self, pool: &Pool) -> Result<(), LocalError> {
        self.flush()?;
        let found = replaced(&self.ops, &self.pieces, &self.matcher, pool)?;
        if found.is_empty() {
            return Ok(());
        }
        let mut found = found.into_iter().peekable();
        let fresh = self.ops.fresh();
        let ops = std::mem::replace(&mut self.ops, fresh);
        for (number, op) in (0..).zip(ops.iter()) {
            let mut op = op?;
            if let Some((_, made)) = found.next_if(|(of, _)| *of == number) {
                op.literal.clear();
                made.into_iter().try_for_each(|op| self.push_op(op))?;
            }
            self.push_op(op)?;
        }
        self.flush()
    }

    fn log(&mut self, op: &Op) -> Result<(), LocalError> {
        let members = self.matcher.members.all();
        let first = members.partition_point(|known| known.at + known.member.plain_bytes <= op.base_at);
        let used = members[first..].iter().take_while(|known| known.at < op.base_at + op.len).count();
        self.is_used[first..first + used].fill(true);
        self.ops.push(op)
    }

    /// Completes the plan.
    fn finish(self) -> Result<PatchPlan, LocalError> {
        let expanded_bytes = self.bytes - self.matcher.target.skeleton_bytes();
        let has_pieces = !self.pieces.is_empty();
        let (base_members, ops, target_members) = self.complete()?;
        Ok(PatchPlan { base_members, target_members, ops, expanded_bytes, has_pieces })
    }

    /// Completes the ops, and leaves out the members of the base that no op refers to.
    fn complete(mut self) -> Result<(UsedMembers, OpLog, Vec<ExpandedMember>), LocalError> {
        self.flush()?;
        let (mut kept, mut moves, mut back) = (UsedMembers::default(), Vec::new(), 0);
        for (known, is_used) in self.matcher.members.all().iter().zip(&self.is_used) {
            if *is_used {
                moves.push(Move { from: known.at, back });
                let (is_joined, file) = self.matcher.base.listed(known.member.file as u32);
                let list = if is_joined { &mut kept.joined } else { &mut kept.members };
                list.push(BaseMember { file: file.into(), ..known.member.clone() });
            } else {
                back += known.member.plain_bytes;
            }
        }
        self.ops.move_base(moves);
        Ok((kept, self.ops, self.members))
    }
}
