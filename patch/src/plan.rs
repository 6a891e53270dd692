//! Plans a patch between two images: it holds the order in which all parts of the patch are found.

mod collected;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use regrow_local::{LocalError, Ordered, Pool, Progress, Stage, spawn_scoped};

use crate::expand::{BaseMembers, ExpandedMember, Place, UsedMembers, may_hold_members, streams_anywhere};
use crate::identity::identical;
use crate::level::PatchLevel;
use crate::members::MAX_MEMBERS;
use crate::oplog::OpLog;
use crate::ops::{Matched, Matcher, Task};
use crate::pairing::by_name;
use crate::sample::{Sample, Sampled};
use crate::side::Side;
use crate::similar::{SPOT_BYTES, Similar, Spot};
use crate::stretches::merged;
use crate::unit::{Source, Unit, Unknown, WHOLE_BYTES, units};
use collected::Collected;

/// The approximate memory of tasks that are running or waiting. A single task may take more.
const MEMORY_BYTES: u64 = 160 << 20;
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
        let mut units = self.units()?;
        let sample = self.limit.and_then(|limit| Sample::of(self.base, self.target, &units, limit.sampled_from));
        let cuts = units.len();
        units.extend(sample.iter().flat_map(Sample::cuts).cloned());
        let (matcher, mut tasks) = self.tasks(units, cuts)?;
        let mut collected = Collected::new(Arc::clone(&matcher), scratch);
        let mut add = |matched: Matched| {
            progress.add(Stage::Compare, matched.stored_bytes);
            collected.push(matched)
        };
        let Some((limit, sample)) = self.limit.zip(sample) else {
            self.run(&matcher, batches(tasks), |matched| add(matched).map(|()| true))?;
            return self.planned(collected);
        };
        let of_cuts = tasks.split_off(cuts);
        let sampled = self.sampled((&matcher, scratch), (&mut tasks, of_cuts), &sample)?;
        // The sample is coded while the rest is matched.
        let too_large = std::thread::scope(|scope| {
            let mut estimate = Estimate::new(spawn_scoped(scope, || {
                let coded = sampled.coded_bytes(self.level, scratch)?;
                Ok(Some(sample.estimate(coded)).filter(|&estimate| estimate > limit.estimated_bytes))
            })?);
            self.run(&matcher, batches(tasks), |matched| {
                add(matched)?;
                estimate.is_within()
            })?;
            estimate.too_large()
        })?;
        too_large.map_or_else(|| self.planned(collected), |bytes| Ok(Planned::TooLarge(bytes)))
    }

    fn planned(&self, mut collected: Collected) -> Result<Planned, LocalError> {
        collected.refine(self.pool)?;
        Ok(Planned::Plan(Box::new(collected.finish()?)))
    }

    /// Prepares the tasks of units. Those from `cuts` on are cuts of others, which do not change what is found for these.
    fn tasks(&self, units: Vec<Unit>, cuts: usize) -> Result<(Arc<Matcher>, Vec<Task>), LocalError> {
        let Self { base, target, pool, level, .. } = *self;
        let similar = Similar::find(base, target, (&units, cuts), pool)?;
        let holds = self.units_with_streams(&units)?;
        let mut tasks = Vec::with_capacity(units.len());
        let (mut expandable, mut of_cuts) = (BTreeSet::new(), BTreeSet::new());
        for (number, unit) in units.into_iter().enumerate() {
            let expandable = if number < cuts { &mut expandable } else { &mut of_cuts };
            tasks.push(self.task(number, (unit, holds[number]), &similar, expandable)?);
        }
        drop(similar);
        let members = BaseMembers::find(base, &expandable, pool)?;
        Ok((Arc::new(Matcher::new(base, target, members, level)), tasks))
    }

    /// Matches a sample. What is matched for the patch too is kept as the result of its task.
    fn sampled(
        &self,
        (matcher, scratch): (&Arc<Matcher>, &Path),
        (tasks, of_cuts): (&mut [Task], Vec<Task>),
        sample: &Sample,
    ) -> Result<Collected, LocalError> {
        let mut of_cuts = of_cuts.into_iter();
        let of_sample = sample.units.iter().filter_map(|sampled| match sampled {
            Sampled::Whole(number) => Some(tasks[*number].clone()),
            Sampled::Cut(_) => of_cuts.next(),
        });
        let of_sample: Vec<Task> = of_sample.collect();
        let (mut collected, mut sampled) = (Collected::new(Arc::clone(matcher), scratch), sample.units.iter());
        self.run(matcher, of_sample.into_iter().map(|task| vec![task]), |matched| {
            if let Some(Sampled::Whole(number)) = sampled.next() {
                tasks[*number] = Task::Made(Arc::new(matched.clone()));
            }
            collected.push(matched).map(|()| true)
        })?;
        collected.refine(self.pool)?;
        Ok(collected)
    }

    /// The units of the target. The lists of all files, from which they follow, are not kept.
    fn units(&self) -> Result<Vec<Unit>, LocalError> {
        let Self { base, target, pool, .. } = *self;
        let identical = identical(base, target, pool)?;
        let partners = by_name(base, target, |file| identical[file as usize].is_none());
        Ok(units(base, target, &identical, &partners))
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

    /// Does the tasks, many at a time, within bounds of memory, and hands on what they find until `take` returns `false`.
    fn run(
        &self,
        matcher: &Arc<Matcher>,
        batches: impl Iterator<Item = Vec<Task>>,
        mut take: impl FnMut(Matched) -> Result<bool, LocalError>,
    ) -> Result<(), LocalError> {
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        let (mut costs, mut cost) = (VecDeque::new(), 0);
        for batch in batches {
            let batch_cost = batch.iter().map(Task::cost).sum::<u64>();
            while !costs.is_empty() && (cost + batch_cost > MEMORY_BYTES || costs.len() > JOBS_IN_FLIGHT) {
                cost -= costs.pop_front().unwrap_or(0);
                if let Some(matched) = jobs.next()?
                    && !take(matched?)?
                {
                    return Ok(());
                }
            }
            cost += batch_cost;
            costs.push_back(batch_cost);
            let matcher = Arc::clone(matcher);
            jobs.push(self.pool.submit(move || matcher.run(&batch)));
        }
        while let Some(matched) = jobs.next()? {
            if !take(matched?)? {
                break;
            }
        }
        Ok(())
    }
}

/// An estimate of a patch's size, which is made meanwhile.
struct Estimate<'scope> {
    making: Option<ScopedJoinHandle<'scope, Result<Option<u64>, LocalError>>>,
    too_large: Option<u64>,
}

impl<'scope> Estimate<'scope> {
    fn new(making: ScopedJoinHandle<'scope, Result<Option<u64>, LocalError>>) -> Self {
        Self { making: Some(making), too_large: None }
    }

    /// Whether the size is within the limit, as far as it is known.
    fn is_within(&mut self) -> Result<bool, LocalError> {
        if let Some(made) = self.making.take_if(|making| making.is_finished()) {
            self.too_large = made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(self.too_large.is_none())
    }

    /// Waits for the estimate, and returns it if it is beyond the limit.
    fn too_large(mut self) -> Result<Option<u64>, LocalError> {
        match self.making.take() {
            Some(made) => made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(self.too_large),
        }
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
