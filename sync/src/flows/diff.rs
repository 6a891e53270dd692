//! Computes the cost of an update from one image to another, and where that cost comes from.

use std::ops::Range;
use std::path::PathBuf;

use regrow_image::TreeEntry;
use regrow_index::Index;
use regrow_local::{Pool, ScratchFolder};
use regrow_patch::{Between, ChunkCost, PatchCosts, PatchLevel};
use regrow_store::{Span, StoreError, patch_name};
use serde::Serialize;

use super::info::DiskInfo;
use super::patch::local::{Given, Locals};
use super::patch::{codings, version_of};
use crate::plan::inspect::{Inspection, Sharing, UpdateCost};
use crate::plan::rebuilt::{OldEntries, RebuiltArchive};
use crate::plan::tree::{ArchiveNumbers, Reading, archive_of, path_of};
use crate::{Location, Network, Progress, SyncError};
use regrow_local::StreamChunks;

/// The images to compare, and how.
#[derive(Debug)]
pub struct DiffOptions {
    /// The index of the image that machines have.
    pub old: Location,
    /// The index of the image that they will get.
    pub new: Location,
    /// The stores to read from. If there are none, those that the indexes name are used.
    pub stores: Vec<Location>,
    /// Whether to make a patch, to see what it costs by path.
    pub patch: bool,
    /// How much effort goes into making the patch small.
    pub patch_level: PatchLevel,
    /// Local files that may be the images, for making the patch. If there are none, the images are read from the
    /// stores.
    pub old_files: Vec<PathBuf>,
    /// See `old_files`.
    pub new_files: Vec<PathBuf>,
}

impl DiffOptions {
    /// The default options for two indexes.
    #[must_use]
    pub fn new(old: impl Into<Location>, new: impl Into<Location>) -> Self {
        Self {
            old: old.into(),
            new: new.into(),
            stores: Vec::new(),
            patch: false,
            patch_level: PatchLevel::default(),
            old_files: Vec::new(),
            new_files: Vec::new(),
        }
    }
}

/// The cost of an update.
#[derive(Debug, Clone, Serialize)]
pub struct DiffReport {
    /// The size of the old image in bytes.
    pub old_bytes: u64,
    /// The size of the new image in bytes.
    pub new_bytes: u64,
    /// The facts about the old image, if it is a disk image.
    pub old_disk: Option<DiskInfo>,
    /// The facts about the new image, if it is a disk image.
    pub new_disk: Option<DiskInfo>,
    /// The bytes that a machine with the old image downloads, everything included.
    pub bytes: u64,
    /// The number of requests that it makes.
    pub requests: u64,
    /// Whether the indexes have different versions of the format. Then their recipes have no segments in common, and
    /// machines fetch less than `bytes`, since they find the old image's recipe in the new one's form by themselves.
    pub formats_differ: bool,
    /// The part of the bytes that is the index.
    pub bytes_index: u64,
    /// The part of the bytes that is the packs' ends: tables, recipe segments and, up to 4 MiB, skeleton frames.
    pub bytes_tables: u64,
    /// The part of the bytes that is frames.
    pub bytes_frames: u64,
    /// The number of distinct chunks that the old image does not have.
    pub chunks: u64,
    /// The plain bytes of those chunks.
    pub bytes_plain: u64,
    /// The stored bytes of new contents by archive, largest first.
    pub archives: Vec<PathCost>,
    /// The stored bytes of new contents by path, largest first.
    pub paths: Vec<PathCost>,
    /// The archives of the new image, such as layers, that were built again: how many of their entries are new by
    /// nothing but their times.
    pub rebuilt: Vec<RebuiltArchive>,
    /// The stored bytes of new skeleton: names, times, owners.
    pub bytes_headers: u64,
    /// The rest of `bytes`, which no path and no header is to blame for: the index, tables, and gaps between frames.
    pub bytes_other: u64,
    /// The size of the patch from the old image to the new one: of the patch in the store, or of the one that was
    /// made for this report.
    pub bytes_patch: Option<u64>,
    /// Whether the store has a patch.
    pub patch_present: bool,
    /// The size of the patch that was made for this report.
    pub bytes_patch_made: Option<u64>,
    /// The bytes of that patch that encode changes of headers.
    pub bytes_patch_headers: Option<u64>,
    /// The bytes of that patch that belong to no path and no header, such as its checksum.
    pub bytes_patch_other: Option<u64>,
}

/// The cost of an archive or a path.
#[derive(Debug, Clone, Serialize)]
pub struct PathCost {
    /// The path. Archives within archives are separated by `!`.
    pub path: String,
    /// The path's share of the stored bytes.
    pub bytes: u64,
    /// The plain bytes of new chunks.
    pub bytes_plain: u64,
    /// The path's share of the patch that was made.
    pub bytes_patch: Option<u64>,
}

/// Plans the update from the old image to the new one.
///
/// # Errors
/// An index or its store cannot be read.
pub fn diff(options: &DiffOptions, network: &mut Network, progress: &dyn Progress) -> Result<DiffReport, SyncError> {
    let DiffOptions { old, new, stores, .. } = options;
    let scratch = network.scratch().to_owned();
    let (old_index, new_index) = (network.load_index(old)?, network.load_index(new)?);
    let pool = Pool::new();
    let mut reading = Reading { stores, network, pool: &pool, scratch: &scratch, progress };
    let old_image = Inspection::of(old, &old_index, &mut reading)?;
    let old_entries = OldEntries::of(&old_image, old)?;
    let old_recipe = old_image.into_recipe(&old_index);
    let cost = UpdateCost::of(old_recipe, Sharing::ByWeight, new, &new_index, &mut reading)?;
    let image = Inspection::of(new, &new_index, &mut reading)?;
    let rebuilt = old_entries.rebuilt(&image, new)?;
    drop(old_entries);
    let bytes_index = new_index.encode().len() as u64;
    let present = patch_in_store(options, &old_index, &new_index, network)?;
    let made =
        if options.patch { Some(make_patch(options, &old_index, &new_index, network, &pool, progress)?) } else { None };
    let mut costs = Costs::new(&image, &cost, made.as_ref());
    image.for_each_entry(new, &mut |entry| costs.add(&entry))?;
    let bytes = bytes_index + cost.table_bytes + cost.frame_bytes;
    let bytes_headers = cost.skeleton.iter().sum::<u64>();
    let sum = |bytes: fn(&PathCost) -> u64| costs.paths.iter().map(bytes).sum::<u64>();
    let of_paths = (sum(|path| path.bytes), sum(|path| path.bytes_patch.unwrap_or(0)));
    Ok(DiffReport {
        old_bytes: old_index.image_bytes,
        new_bytes: new_index.image_bytes,
        old_disk: DiskInfo::of(&old_index),
        new_disk: DiskInfo::of(&new_index),
        bytes,
        requests: cost.requests,
        formats_differ: old_index.units.is_some() != new_index.units.is_some(),
        bytes_index,
        bytes_tables: cost.table_bytes,
        bytes_frames: cost.frame_bytes,
        chunks: cost.chunks,
        bytes_plain: cost.plain_bytes,
        archives: largest_first(costs.archives),
        rebuilt,
        bytes_headers,
        bytes_other: bytes.saturating_sub(bytes_headers + of_paths.0),
        bytes_patch: present.or(made.as_ref().map(|made| made.bytes)),
        patch_present: present.is_some(),
        bytes_patch_made: made.as_ref().map(|made| made.bytes),
        bytes_patch_headers: made.as_ref().map(|made| made.skeleton),
        bytes_patch_other: made.as_ref().map(|made| made.bytes.saturating_sub(made.skeleton + of_paths.1)),
        paths: largest_first(costs.paths),
    })
}

impl PathCost {
    /// Whether the path costs anything.
    fn is_some(&self) -> bool {
        self.bytes > 0 || self.bytes_plain > 0 || self.bytes_patch.is_some_and(|bytes| bytes > 0)
    }
}

/// The size of the patch that the store has.
fn patch_in_store(
    options: &DiffOptions,
    old: &Index,
    new: &Index,
    network: &mut Network,
) -> Result<Option<u64>, SyncError> {
    let name = patch_name(&old.image_id(), &new.image_id());
    let stores = network.stores_of(&options.new, new, &options.stores)?;
    let Some(store) = stores.first() else { return Ok(None) };
    // If the patch is absent or hidden here, machines cannot find it either.
    let size = async {
        match store.get(&name, Span::Range(0..1)).await?.object_bytes {
            Some(bytes) => Ok::<_, StoreError>(Some(bytes)),
            // If the host does not state the size in this answer, it does in the one for the object's end.
            None => Ok(store.get(&name, Span::Suffix(1)).await?.object_bytes),
        }
    };
    Ok(network.block_on(size).ok().flatten())
}

/// Makes the patch, to see what it costs.
fn make_patch(
    options: &DiffOptions,
    old: &Index,
    new: &Index,
    network: &mut Network,
    pool: &Pool,
    progress: &dyn Progress,
) -> Result<PatchCosts, SyncError> {
    let scratch = ScratchFolder::new(network.scratch()).map_err(SyncError::io(network.scratch()))?;
    let local = Locals {
        stores: &options.stores,
        catalog: None,
        scratch: scratch.path(),
        pool,
        progress,
        old_or_stored: false,
    };
    let given = |paths| Vec::from_iter(<[PathBuf]>::iter(paths).map(|path| Given::Path(path)));
    let (old_files, new_files) = (given(&options.old_files), given(&options.new_files));
    let (base, target) = local.open_both((&options.old, old, &old_files), (&options.new, new, &new_files), network)?;
    let version = version_of(old, new);
    let codings = codings::from_base(version, (old, &base), (new, &target))?;
    Ok(PatchCosts::of(&Between {
        codings: &codings,
        base: &base,
        target: &target,
        ids: (old.image_id(), new.image_id()),
        version,
        params: new.params,
        chunk_cost: ChunkCost::default(),
        least_saving: 0,
        level: options.patch_level,
        pool,
        scratch: scratch.path(),
        progress,
    })?)
}

/// Adds up the costs of entries, in the image's order. Paths that cost nothing take no memory.
struct Costs<'a> {
    contents: &'a StreamChunks,
    cost: &'a UpdateCost,
    /// The costs of files in the patch that was made, by their ranges in the contents stream.
    in_patch: Option<&'a [(Range<u64>, u64)]>,
    numbers: ArchiveNumbers,
    archives: Vec<PathCost>,
    paths: Vec<PathCost>,
}

impl<'a> Costs<'a> {
    fn new(image: &'a Inspection, cost: &'a UpdateCost, patch: Option<&'a PatchCosts>) -> Self {
        let in_patch = patch.map(|patch| patch.files.as_slice());
        let (archives, paths, numbers) = (Vec::new(), Vec::new(), ArchiveNumbers::default());
        Self { contents: image.contents(), cost, in_patch, numbers, archives, paths }
    }

    fn add(&mut self, entry: &TreeEntry) {
        let (mut bytes, mut bytes_plain) = (0, 0);
        let mut at = entry.contents.start;
        while at < entry.contents.end {
            let chunk = self.contents.chunk_at(at);
            let range = self.contents.range(chunk);
            let len = range.end.min(entry.contents.end) - at;
            let (cost, whole) = (self.cost.contents[chunk], range.end - range.start);
            if cost > 0 {
                // The entry gets the share of all bytes up to its last one, less the share of those before it. So the
                // shares of a chunk add up.
                let until = |at: u64| (u128::from(cost) * u128::from(at - range.start) / u128::from(whole)) as u64;
                bytes += until(at + len) - until(at);
                bytes_plain += len;
            }
            at += len;
        }
        let in_patch = |files: &[(Range<u64>, u64)]| {
            let first = files.partition_point(|(range, _)| range.start < entry.contents.start);
            let own = files[first..].iter().take_while(|(range, _)| range.start < entry.contents.end);
            own.map(|(_, bytes)| bytes).sum()
        };
        let bytes_patch = self.in_patch.map(in_patch);
        let number = self.numbers.of(entry);
        if number == self.archives.len() {
            self.archives.push(PathCost { path: archive_of(entry), bytes: 0, bytes_plain: 0, bytes_patch: None });
        }
        let archive = &mut self.archives[number];
        archive.bytes += bytes;
        archive.bytes_plain += bytes_plain;
        archive.bytes_patch = bytes_patch.map(|bytes| bytes + archive.bytes_patch.unwrap_or(0));
        let cost = PathCost { path: String::new(), bytes, bytes_plain, bytes_patch };
        if cost.is_some() {
            self.paths.push(PathCost { path: path_of(entry), ..cost });
        }
    }
}

fn largest_first(mut costs: Vec<PathCost>) -> Vec<PathCost> {
    costs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    costs
}
