//! Puts only some parts of an image together: those that are wanted, one behind the other.
//!
//! The index of these parts alone ([`Index::of_units`]) is like that of any image, so everything goes on as where all of
//! it is extracted: recipe, skeleton, plan, seeds, fetching, repairing. Nothing else of the image is fetched or read.

mod opening;

use std::ops::Range;
use std::sync::Arc;

use regrow_index::{Index, Part, Unit, Units};
use regrow_local::{Pool, Recipe, Seeds, StreamChunks};
use regrow_store::{Failover, ReadStore};

use super::assemble::{Assembly, Shared, Taker};
use super::output::OutputFile;
use super::{ExtractOptions, ExtractReport, Form, Run};
use crate::place::network::OpenHead;
use crate::plan::closed_parts::ClosedLayer;
use crate::plan::locate::{Counts, Plan};
use crate::plan::recipe::KnownSegments;
use crate::plan::skeleton::{self, Kept};
use crate::plan::skeleton_spool::SkeletonSpool;
use crate::plan::target::{Stretch, Target};
use crate::transfer::delivery::Tally;
use crate::transfer::packs::Packs;
use crate::transfer::prefetch::Prefetch;
use crate::transfer::rest::Rest;
use crate::{Location, Network, Progress, SyncError};

pub(crate) use super::assemble::CodedFile;
pub(crate) use opening::{Opened, WholeImage, open};

/// The number of the wrapper among an image's units.
const WRAPPER: usize = 0;

/// An image of which parts are put together.
pub(crate) struct SomeParts<'a> {
    location: &'a Location,
    options: &'a ExtractOptions,
    progress: &'a dyn Progress,
    network: &'a Network,
    pool: Arc<Pool>,
    /// The index. If its head alone was read, it says nothing of where chunks lie, and nothing of the recipes of parts
    /// that neither a seed nor a patch gave.
    index: Index,
    /// The head, if it alone was read.
    open: Option<Box<OpenHead>>,
    stores: Vec<Arc<dyn ReadStore>>,
    health: Arc<Failover>,
    seeds: Arc<Seeds>,
    /// Parts that a storage holds, and that are read only if they are wanted.
    closed: Vec<ClosedLayer<'a>>,
    segments: KnownSegments,
    packs: Packs,
    counts: Counts,
    /// What is known of the run so far.
    report: ExtractReport,
}

/// The wrapper of an image.
pub(crate) struct Wrapper {
    /// Its skeleton, in which the headers of its entries lie.
    pub(crate) skeleton: SkeletonSpool,
    /// The chunks of both its streams.
    pub(crate) chunks: [Arc<StreamChunks>; 2],
}

impl SomeParts<'_> {
    /// The index, which has units.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The parts of the image.
    pub(crate) fn parts(&self) -> &[Part] {
        self.index.units.as_ref().map(|units: &Units| units.parts.as_slice()).unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &Location {
        self.location
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// Whether nothing of the parts is put together, and only their cost is counted.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.options.dry_run
    }

    /// Whether nothing checks how coded files are made, though signatures are checked: they do not cover that.
    pub(crate) fn leaves_codings_unchecked(&self) -> bool {
        !self.options.trust.binds_prefix(true)
    }

    /// What was done so far.
    pub(crate) fn report(&self) -> ExtractReport {
        let mut report = self.report.clone();
        report.count(&self.counts);
        report.chunks = self.counts.chunks();
        let meter = self.network.meter();
        report.bytes_fetched = meter.body_bytes() + self.counts.planned_bytes;
        report.requests = meter.requests() + self.counts.planned_requests;
        report
    }

    /// Puts the wrapper's skeleton together.
    pub(crate) fn wrapper(&mut self) -> Result<Wrapper, SyncError> {
        self.with_run(&[WRAPPER], |run, state| {
            let scratch = run.network.scratch();
            let fetcher = run.fetcher(&OutputFile::handed(0, scratch)?);
            let recipe = state.segments.resolve(&fetcher, state.packs)?;
            let target = Target::of_parts(0, recipe);
            let kept = Kept::ReadAnywhere(scratch);
            let skeleton = skeleton::assemble(&fetcher, state.packs, &state.seeds, &target, state.counts, kept)?;
            Ok(Wrapper { skeleton, chunks: [target.skeleton, target.contents] })
        })
    }

    /// Puts the chunks of a range of the wrapper's contents together, at their places in that stream.
    pub(crate) fn wrapper_contents(
        &mut self,
        wrapper: &Wrapper,
        range: Range<u64>,
    ) -> Result<SkeletonSpool, SyncError> {
        let contents = Arc::clone(&wrapper.chunks[1]);
        if range.is_empty() {
            return SkeletonSpool::whole(0, self.network.scratch());
        }
        let chunks = contents.chunk_at(range.start)..contents.chunk_at(range.end - 1) + 1;
        self.with_run(&[WRAPPER], |run, state| {
            let scratch = run.network.scratch();
            let fetcher = run.fetcher(&OutputFile::handed(0, scratch)?);
            let skeleton = wrapper.chunks[0].records().to_vec();
            let target = Target::of_parts(0, Recipe { skeleton, contents: contents.records().to_vec() });
            let plan = Plan::of_contents_in_seeds(&target, &state.seeds).only(chunks.clone());
            let bytes = contents.range(chunks.end - 1).end;
            let spool = Arc::new(SkeletonSpool::whole(bytes, scratch)?);
            skeleton::assemble_stream(&fetcher, state.packs, &state.seeds, &target, state.counts, plan, &spool)?;
            // The chunks that are not wanted were counted as if they were there.
            state.counts.resumed = Tally::default();
            Arc::try_unwrap(spool).map_err(|_| SyncError::Worker)
        })
    }

    /// Puts parts together, by their numbers, and hands on their plain bytes one behind the other. Everything that is
    /// missing is fetched at once, before the first bytes.
    pub(crate) fn hand_on(&mut self, parts: &[usize], take: Taker<'_>) -> Result<(), SyncError> {
        self.make_ready(parts)?;
        let stated: Vec<Part> = parts.iter().filter_map(|&part| self.parts().get(part).copied()).collect();
        let units: Vec<usize> = parts.iter().map(|part| part + 1).collect();
        let stretch = |part: &Part| Stretch {
            plain_bytes: part.plain_bytes,
            skeleton_bytes: part.unit.skeleton.bytes,
            contents_bytes: part.unit.contents.bytes,
        };
        let stretches: Vec<Stretch> = stated.iter().map(stretch).collect();
        let plain_bytes = stretches.iter().fold(0u64, |sum, stretch| sum.saturating_add(stretch.plain_bytes));
        self.with_run(&units, |run, state| {
            let scratch = run.network.scratch();
            let output = Arc::new(OutputFile::handed(plain_bytes, scratch)?);
            let fetcher = run.fetcher(&output);
            let recipe = state.segments.resolve(&fetcher, state.packs)?;
            let mut target = Target::of_parts(plain_bytes, recipe);
            let (kept, seeds) = (Kept::ReadAnywhere(scratch), Arc::clone(&state.seeds));
            let spool = skeleton::assemble(&fetcher, state.packs, &seeds, &target, state.counts, kept)?;
            target.set_stretches(spool, &stretches, &run.location.to_string())?;
            let target = Arc::new(target);
            let mut plan = Plan::of_contents(run.pool, &target, &seeds, &[])?;
            plan.locate(&fetcher, state.packs, &target)?;
            if run.options.dry_run {
                // What a patch costs was counted.
                if state.counts.planned_bytes == 0 {
                    plan.count(&target, state.packs, &fetcher, state.counts);
                }
                return Ok(());
            }
            output.check_room(0, scratch, plan.bytes_in_frames(&target))?;
            let packs = std::mem::replace(state.packs, Packs::new(run.index));
            let shared = Shared::new(target, seeds, output, plan);
            Assembly::new(run, fetcher, packs, shared).hand_on(state.counts, take).map(drop)
        })
    }

    /// Opens the wanted parts that a storage holds, as seeds. If nothing tells the recipe of a wanted part, the rest of the
    /// index is read.
    fn make_ready(&mut self, parts: &[usize]) -> Result<(), SyncError> {
        let is_wanted = |layer: &mut ClosedLayer<'_>| parts.contains(&layer.number);
        let opened: Vec<ClosedLayer<'_>> = self.closed.extract_if(.., is_wanted).collect();
        let is_known = |unit: &Unit| {
            let (bytes, chunks) =
                [unit.skeleton, unit.contents].iter().fold((0, 0), |(b, c), s| (b + s.bytes, c + s.chunks));
            bytes == 0 || chunks > 0
        };
        let known = parts.iter().filter_map(|&part| self.parts().get(part)).all(|part| is_known(&part.unit));
        if opened.is_empty() && known {
            return Ok(());
        }
        if let Some(open) = self.open.take_if(|_| !known) {
            let whole = Rest::new(&open, self.options.catalog.as_ref());
            self.index = whole.index(self.network, self.location)?.clone();
            self.packs = Packs::new(&self.index);
        }
        let mut seeds = std::mem::take(&mut self.seeds);
        if let Some(seeds) = Arc::get_mut(&mut seeds) {
            seeds.seeds.extend(opened.into_iter().flat_map(|layer| layer.into_seeds().seeds));
        }
        self.seeds = seeds;
        self.segments = KnownSegments::new(&self.index, &self.seeds);
        Ok(())
    }

    /// Runs `work` with an index of these units alone.
    fn with_run<T>(
        &mut self,
        units: &[usize],
        work: impl FnOnce(&Run<'_>, State<'_>) -> Result<T, SyncError>,
    ) -> Result<T, SyncError> {
        let Self { location, options, progress, network, pool, index, open, stores, health, .. } = self;
        let selected = index.of_units(units);
        let rest = open.as_ref().map(|open| Rest::new(open, options.catalog.as_ref()).of_units(units.to_vec()));
        let prefetch = Prefetch::new(network, stores, &selected, options.patches, options.connections);
        let run = Run {
            location,
            index: &selected,
            rest: rest.as_ref(),
            stores: stores.clone(),
            health: Arc::clone(health),
            prefetch: &prefetch,
            options,
            pool,
            progress: *progress,
            network,
            form: Form::Plain,
        };
        let seeds = Arc::clone(&self.seeds);
        let state = State { seeds, segments: &mut self.segments, packs: &mut self.packs, counts: &mut self.counts };
        let done = work(&run, state);
        self.network.warn_of_hosts(self.progress);
        done
    }
}

/// What stays from one run to the next.
struct State<'s> {
    seeds: Arc<Seeds>,
    segments: &'s mut KnownSegments,
    packs: &'s mut Packs,
    counts: &'s mut Counts,
}
