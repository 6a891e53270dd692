//! The first steps of an extraction, for commands that only look at an image: its recipe, tables and skeleton, and the
//! cost of an update to it.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::ChunkId;
use regrow_image::TreeEntry;
use regrow_index::{Index, Segment};
use regrow_local::{Recipe, Seed, Seeds, StreamChunks, UnitRecipes};
use regrow_store::Failover;

use super::image::ImagePlan;
use super::locate::Plan;
use super::skeleton::Kept;
use super::target::PartedRecipe;
use super::tree::Reading;
use crate::transfer::delivery::Wanted;
use crate::transfer::fetch::{DEFAULT_CONNECTIONS, Fetcher, RangeJob, Remotes};
use crate::transfer::packs::Packs;
use crate::{Location, SyncError};

/// The recipe of an image, the tables of its packs, and its skeleton.
pub(crate) struct Inspection(ImagePlan);

impl Inspection {
    /// Reads recipe, tables and skeleton from the stores.
    pub(crate) fn of(location: &Location, index: &Index, reading: &mut Reading<'_>) -> Result<Self, SyncError> {
        with_fetcher(location, index, reading, |fetcher, scratch| {
            let seeds = Seeds::default();
            let mut image = ImagePlan::of(fetcher, &seeds)?;
            image.read_skeleton(fetcher, &seeds, Kept::ReadOnce(scratch))?;
            let mut plan = Plan::of_contents_in_seeds(&image.target, &seeds);
            image.locate(fetcher, &mut plan)?;
            Ok(Self(image))
        })
    }

    /// Passes each of the image's entries to `each`, in order.
    pub(crate) fn for_each_entry(&self, location: &Location, each: &mut dyn FnMut(TreeEntry)) -> Result<(), SyncError> {
        self.0.target.for_each_entry(&location.to_string(), each)
    }

    /// The records of both streams, and the image's parts. `index` is the index that was inspected.
    pub(crate) fn into_recipe(self, index: &Index) -> PartedRecipe {
        self.0.target.parted(index)
    }

    /// The chunks of the contents stream.
    pub(crate) fn contents(&self) -> &StreamChunks {
        &self.0.target.contents
    }

    /// The number of frames in the packs whose tables were needed, and the stored bytes of all those frames.
    pub(crate) fn frames(&self) -> (u64, u64) {
        let frames = self.0.packs.tables().flat_map(|table| &table.frames);
        frames.fold((0, 0), |(count, bytes), frame| (count + 1, bytes + (frame.stored.end - frame.stored.start)))
    }
}

/// The cost of an update for a machine that has all chunks of another image.
pub(crate) struct UpdateCost {
    /// The number of requests, including the one for the index.
    pub(crate) requests: u64,
    /// The bytes of the packs' ends: tables, segments, and the skeleton frames that come with them.
    pub(crate) table_bytes: u64,
    /// The bytes of the requested ranges of frames.
    pub(crate) frame_bytes: u64,
    /// For each chunk of the skeleton, its share of the stored bytes. `contents` has the same for the contents.
    pub(crate) skeleton: Vec<u64>,
    pub(crate) contents: Vec<u64>,
    /// The number of distinct chunks that are missing. `plain_bytes` is the size of those chunks.
    pub(crate) chunks: u64,
    pub(crate) plain_bytes: u64,
}

impl UpdateCost {
    /// Plans an update of a machine that has the chunks of `old`.
    pub(crate) fn of(
        old: PartedRecipe,
        location: &Location,
        index: &Index,
        reading: &mut Reading<'_>,
    ) -> Result<Self, SyncError> {
        let have = Have::new(old);
        with_fetcher(location, index, reading, |fetcher, _| {
            let mut seeds = Seeds::default();
            seeds.seeds.push(Box::new(have));
            let mut image = ImagePlan::of(fetcher, &seeds)?;
            let mut plans =
                [Plan::of_skeleton(&image.target, &seeds), Plan::of_contents_in_seeds(&image.target, &seeds)];
            let mut cost = Self {
                requests: 1,
                table_bytes: 0,
                frame_bytes: 0,
                skeleton: Vec::new(),
                contents: Vec::new(),
                chunks: 0,
                plain_bytes: 0,
            };
            for plan in &mut plans {
                image.locate(fetcher, plan)?;
                let packs = &image.packs;
                let remote: Vec<(u32, u32)> = plan.frames().into_iter().filter(|&frame| !packs.holds(frame)).collect();
                let stream = if plan.is_skeleton() { &image.target.skeleton } else { &image.target.contents };
                let wanted = Wanted::new(stream, plan.chunks_in_frames());
                let ranges = fetcher.ranges(packs, &remote, Some(&wanted));
                cost.requests += ranges.len() as u64;
                cost.frame_bytes += ranges.iter().map(RangeJob::bytes).sum::<u64>();
            }
            let ImagePlan { packs, target, .. } = image;
            (cost.requests, cost.table_bytes) = (cost.requests + packs.ends_read.0, packs.ends_read.1);
            cost.skeleton = cost.shares(&plans[0], &target.skeleton, &packs);
            cost.contents = cost.shares(&plans[1], &target.contents, &packs);
            Ok(cost)
        })
    }

    /// Divides the stored bytes of each frame among the chunks that are wanted from it. Only the first of several equal
    /// chunks gets a share.
    fn shares(&mut self, plan: &Plan, stream: &StreamChunks, packs: &Packs) -> Vec<u64> {
        let wanted = plan.in_frames();
        let mut seen = HashSet::new();
        let first: Vec<u32> =
            wanted.into_iter().filter(|&chunk| seen.insert(stream.record(chunk as usize).id)).collect();
        let mut plain = std::collections::HashMap::new();
        for &chunk in &first {
            let len = u64::from(stream.record(chunk as usize).len);
            *plain.entry(plan.frame_of(chunk)).or_insert(0) += len;
            self.chunks += 1;
            self.plain_bytes += len;
        }
        let mut shares = vec![0; stream.len()];
        for chunk in first {
            let frame = plan.frame_of(chunk);
            let stored = frame.and_then(|frame| packs.stored_bytes(frame)).unwrap_or(0);
            let whole = plain.get(&frame).copied().unwrap_or(1).max(1);
            shares[chunk as usize] = stored * u64::from(stream.record(chunk as usize).len) / whole;
        }
        shares
    }
}

/// Runs `act` with a fetcher for an index, without caches and without an output.
fn with_fetcher<T>(
    location: &Location,
    index: &Index,
    reading: &mut Reading<'_>,
    act: impl FnOnce(&Fetcher<'_>, &Path) -> Result<T, SyncError>,
) -> Result<T, SyncError> {
    let stores = reading.network.stores_of(location, index, reading.stores)?;
    let health = Arc::new(Failover::new(stores.len()));
    let rounds = reading.network.rounds(stores.len());
    let fetcher = Fetcher {
        network: reading.network,
        stores: Remotes { stores: &stores, health: &health, rounds },
        location,
        index,
        connections: DEFAULT_CONNECTIONS,
        prefetch: None,
        cache: None,
        side_cache: None,
        pool: reading.pool,
        progress: reading.progress,
    };
    act(&fetcher, reading.scratch)
}

/// The image of a machine, known only by its recipe.
struct Have {
    ids: BTreeSet<ChunkId>,
    image: PartedRecipe,
}

impl Have {
    fn new(image: PartedRecipe) -> Self {
        let Recipe { skeleton, contents } = &image.recipe;
        let ids = skeleton.iter().chain(contents).map(|record| record.id).collect();
        Self { ids, image }
    }
}

impl Seed for Have {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        self.ids.contains(id).then_some(0)
    }

    fn read(&self, _place: u64, _len: usize, _out: &mut Vec<u8>) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn segments(&self, wanted: &mut dyn FnMut(Segment)) {
        let PartedRecipe { recipe: Recipe { skeleton, contents }, parts } = &self.image;
        UnitRecipes::new(skeleton, contents, parts).all_segments().for_each(wanted);
    }
}
