//! The first steps of an extraction, for commands that only look at an image: its recipe, tables and skeleton, and the
//! cost of an update to it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::ChunkId;
use regrow_image::{ImagePart, TreeEntry};
use regrow_index::{CodedStretch, Index, Segment};
use regrow_local::{Recipe, Seed, Seeds, StreamChunks, UnitRecipes};
use regrow_store::Failover;

use super::image::ImagePlan;
use super::locate::Plan;
use super::skeleton::Kept;
use super::target::PartedRecipe;
use super::tree::Reading;
use super::weights::weigh;
use crate::transfer::delivery::Wanted;
use crate::transfer::fetch::{DEFAULT_CONNECTIONS, Fetcher, RangeJob, Remotes};
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

    /// For each part of the image the name of the format of the coded file that it lies in, if it does. `index` is the index
    /// that was inspected.
    pub(crate) fn coded_parts(&self, index: &Index) -> Vec<Option<&'static str>> {
        let target = &self.0.target;
        let coded: Vec<_> = target.coded().zip(index.codings.iter().map(CodedStretch::name)).collect();
        let format = |part: &ImagePart| {
            let around = coded.iter().find(|(at, _)| at.start <= part.plain.start && part.plain.end <= at.end);
            around.map(|(_, format)| *format)
        };
        target.parted(index).parts.iter().map(format).collect()
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
    /// For each chunk of the skeleton, its share of the fetched bytes. `contents` has the same for the contents.
    /// Together they are the fetched bytes, but for tables and for gaps between frames.
    pub(crate) skeleton: Vec<u64>,
    pub(crate) contents: Vec<u64>,
    /// The number of distinct chunks that are missing. `plain_bytes` is the size of those chunks.
    pub(crate) chunks: u64,
    pub(crate) plain_bytes: u64,
}

/// The way in which the bytes of a frame are divided among its chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// By the chunks' lengths.
    ByLength,
    /// By what each chunk adds to the frame. For that the frames are fetched.
    ByWeight,
}

impl UpdateCost {
    /// Plans an update of a machine that has the chunks of `old`.
    pub(crate) fn of(
        old: PartedRecipe,
        sharing: Sharing,
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
            let mut spent = [HashMap::new(), HashMap::new()];
            for (plan, spent) in plans.iter_mut().zip(&mut spent) {
                image.locate(fetcher, plan)?;
                let packs = &image.packs;
                let (held, remote): (Vec<_>, Vec<_>) = plan.frames().into_iter().partition(|&frame| packs.holds(frame));
                spent.extend(held.into_iter().map(|frame| (frame, packs.stored_bytes(frame).unwrap_or(0))));
                let stream = if plan.is_skeleton() { &image.target.skeleton } else { &image.target.contents };
                let wanted = Wanted::new(stream, plan.chunks_in_frames());
                let ranges = fetcher.ranges(packs, &remote, Some(&wanted));
                cost.requests += ranges.len() as u64;
                cost.frame_bytes += ranges.iter().map(RangeJob::bytes).sum::<u64>();
                for (pack, piece) in ranges.iter().flat_map(|job| job.pieces.iter().map(|piece| (job.pack, piece))) {
                    *spent.entry((pack, piece.frame)).or_insert(0) += piece.stored.end - piece.stored.start;
                }
            }
            let ImagePlan { packs, target, .. } = image;
            (cost.requests, cost.table_bytes) = (cost.requests + packs.ends_read.0, packs.ends_read.1);
            let streams = [&target.skeleton, &target.contents];
            let mut shares = [Vec::new(), Vec::new()];
            for (((plan, stream), spent), shares) in plans.iter().zip(streams).zip(&spent).zip(&mut shares) {
                let chunks = cost.count(plan, stream);
                let weights = match sharing {
                    Sharing::ByLength => HashMap::new(),
                    Sharing::ByWeight => weigh(fetcher, &packs, stream, shared(&chunks))?,
                };
                *shares = divide(&chunks, stream, spent, &weights);
            }
            [cost.skeleton, cost.contents] = shares;
            Ok(cost)
        })
    }

    /// Counts the wanted chunks, and returns them with their frames. Of several equal chunks only the first counts.
    fn count(&mut self, plan: &Plan, stream: &StreamChunks) -> Vec<(u32, (u32, u32))> {
        let mut seen = HashSet::new();
        let mut chunks = plan.chunks_in_frames();
        chunks.retain(|&(chunk, _)| seen.insert(stream.record(chunk as usize).id));
        self.chunks += chunks.len() as u64;
        self.plain_bytes += chunks.iter().map(|&(chunk, _)| u64::from(stream.record(chunk as usize).len)).sum::<u64>();
        chunks
    }
}

/// The chunks that share their frame with others.
fn shared(chunks: &[(u32, (u32, u32))]) -> Vec<(u32, (u32, u32))> {
    let mut in_frame: HashMap<(u32, u32), u32> = HashMap::new();
    chunks.iter().for_each(|(_, frame)| *in_frame.entry(*frame).or_insert(0) += 1);
    chunks.iter().filter(|(_, frame)| in_frame[frame] > 1).copied().collect()
}

/// Divides the bytes that each frame costs among the chunks that are wanted from it, by their weights. Lengths stand in
/// for weights that are not known. The result has a share for each chunk of the stream.
fn divide(
    chunks: &[(u32, (u32, u32))],
    stream: &StreamChunks,
    spent: &HashMap<(u32, u32), u64>,
    weights: &HashMap<u32, u64>,
) -> Vec<u64> {
    let weight = |chunk: u32| {
        let weight = weights.get(&chunk).copied().unwrap_or_else(|| u64::from(stream.record(chunk as usize).len));
        u128::from(weight.max(1))
    };
    // For each frame, the weight of its chunks, and of those that have their share.
    let mut frames: HashMap<(u32, u32), (u128, u128)> = HashMap::new();
    for &(chunk, frame) in chunks {
        frames.entry(frame).or_insert((0, 0)).0 += weight(chunk);
    }
    let mut shares = vec![0; stream.len()];
    for &(chunk, frame) in chunks {
        let Some((whole, done)) = frames.get_mut(&frame) else { continue };
        let bytes = u128::from(spent.get(&frame).copied().unwrap_or(0));
        let before = bytes * *done / *whole;
        *done += weight(chunk);
        shares[chunk as usize] = (bytes * *done / *whole - before) as u64;
    }
    shares
}

/// Runs `act` with a fetcher for an index, without caches and without an output.
pub(super) fn with_fetcher<T>(
    location: &Location,
    index: &Index,
    reading: &mut Reading<'_>,
    act: impl FnOnce(&Fetcher<'_>, &Path) -> Result<T, SyncError>,
) -> Result<T, SyncError> {
    let stores = reading.network.stores_of(location, index, reading.stores)?;
    let health = Arc::new(Failover::new(stores.len()));
    let rounds = reading.network.rounds(stores.len());
    let fetcher = Fetcher {
        takes_whole_packs: false,
        network: reading.network,
        stores: Remotes { stores: &stores, health: &health, rounds },
        location,
        index,
        rest: None,
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
