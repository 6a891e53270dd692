//! Makes a patch between two images and puts it into a store.

pub(crate) mod codings;
pub(crate) mod local;
mod nothing;
mod report;
mod several;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use regrow_catalog::Catalog;
use regrow_chunker::ImageId;
use regrow_index::{AnnouncedPatch, Index, MAX_INDEX_BYTES, Units};
use regrow_local::{Pool, ScratchFolder};
use regrow_patch::{
    Between, ChunkCost, HEADER_BYTES, HeaderError, Made, PatchHeader, PatchImage, PatchLevel, PatchVersion,
    write_checked,
};
use regrow_store::{Condition, Content, ObjectKind, PutOutcome, Span, Store, StoreError, patch_name, read_small};

use crate::place::index_file::{self, encode, put_index_if};
use crate::place::network::Opening;
use crate::plan::inspect::{Sharing, UpdateCost};
use crate::plan::target::PartedRecipe;
use crate::plan::tree::Reading;
use crate::{Location, Network, Progress, SyncError};
use local::{Given, Locals};
pub(crate) use nothing::{Whole, publish_whole, whole_announcement};
pub use report::PatchReport;
pub use several::{PatchesReport, patch_from};

/// The most bytes that the wrapper of an image may have for a patch that starts from parts: for the files that describe
/// an image, and for the headers and small files that come with each layer. Archives of layers have less than half.
const MOST_WRAPPER_BYTES: u64 = 64 << 10;
const MOST_WRAPPER_BYTES_A_PART: u64 = 8 << 10;
/// The number of times that an announcement is tried.
const ANNOUNCEMENTS: usize = 5;

/// The two images of a patch, the store for it, and how it is made.
#[derive(Debug)]
pub struct PatchOptions {
    /// The index of the image that machines have.
    pub old: Location,
    /// The index of the image that they will get.
    pub new: Location,
    /// The store that holds both images and gets the patch. `None` stands for the one that the new index names.
    pub store: Option<Location>,
    /// Local files, one of which is the old image. If there are none, it is read from the store.
    pub old_files: Vec<PathBuf>,
    /// Whether the old image is read from the store as well if none of `old_files` is that image.
    pub old_or_stored: bool,
    /// The file of the new image, if it is on this machine.
    pub new_file: Option<PathBuf>,
    /// The effort that goes into making the patch small, from 1 to 9.
    pub level: PatchLevel,
    /// The least that the patch must save of what chunks cost, in percent. If it saves less, it is not made. With 0 it is
    /// always made.
    pub least_saving: u8,
    /// Whether to make the patch again if the store has it.
    pub replace: bool,
    /// Whether to announce the patch in the new index.
    pub announce: bool,
    /// The time for which caches may keep the new index, if it is written.
    pub index_max_age: Duration,
    /// The catalog that remembers what the files hold.
    pub catalog: Option<Catalog>,
}

impl PatchOptions {
    /// The least saving by default: see docs/measurements.md.
    pub const DEFAULT_LEAST_SAVING: u8 = 20;

    /// The default options for a patch between two indexes.
    #[must_use]
    pub fn new(old: impl Into<Location>, new: impl Into<Location>) -> Self {
        Self {
            old: old.into(),
            new: new.into(),
            store: None,
            old_files: Vec::new(),
            old_or_stored: false,
            new_file: None,
            level: PatchLevel::default(),
            least_saving: Self::DEFAULT_LEAST_SAVING,
            replace: false,
            announce: true,
            index_max_age: index_file::DEFAULT_MAX_AGE,
            catalog: None,
        }
    }
}

/// Makes a patch and puts it into the store. The patch is first applied, and the result compared with the new image.
///
/// # Errors
/// Returns a [`SyncError`] if the patch cannot be made, checked or put. A patch that failed its check is never put.
pub fn patch(options: &PatchOptions, network: &mut Network, progress: &dyn Progress) -> Result<PatchReport, SyncError> {
    let start = Instant::now();
    let (old, new) = (network.load_index(&options.old)?, network.load_index(&options.new)?);
    let store = store_of(options, &new)?;
    let catalog = options.catalog.as_ref();
    let new_file = options.new_file.as_deref().map(Given::Path);
    let publication = Publication { options, catalog, new_file, old: &old, new: &new, store: &store };
    let mut report = publish(&publication, network, progress)?;
    if options.announce && !report.not_worth {
        report.announced = announce(options, &announcement(&old, &report), &new, network, progress)?;
    }
    report.requests = network.meter().requests();
    report.elapsed = start.elapsed();
    Ok(report)
}

/// A patch that will be made. The index at `options.new` need not exist yet.
pub(crate) struct Publication<'a> {
    pub(crate) options: &'a PatchOptions,
    /// The catalog, which is used instead of the one in the options.
    pub(crate) catalog: Option<&'a Catalog>,
    /// The new image, which is used instead of the file in the options.
    pub(crate) new_file: Option<Given<'a>>,
    pub(crate) old: &'a Index,
    pub(crate) new: &'a Index,
    pub(crate) store: &'a Location,
}

/// Whether the indexes of two images have different formats. Their image ids then belong to different rules, so that no
/// machine would find a patch between them.
pub(crate) fn formats_differ(old: &Index, new: &Index) -> bool {
    old.units.is_some() != new.units.is_some()
}

/// The announcement of a patch from this image that is in the store.
pub(crate) fn announcement(old: &Index, report: &PatchReport) -> AnnouncedPatch {
    let units = old.units.as_ref().filter(|_| report.base_parts > 0);
    let parts = units.map_or_else(Vec::new, Units::base_parts);
    AnnouncedPatch { base: old.image_id(), bytes: Some(report.bytes), parts }
}

fn store_of(options: &PatchOptions, new: &Index) -> Result<Location, SyncError> {
    let named = || options.new.beside(&new.store);
    options.store.clone().or_else(named).ok_or_else(|| SyncError::NoStore { location: options.new.to_string() })
}

impl Publication<'_> {
    /// The ids of the old and the new image, if a patch between them is of use to anybody.
    fn ids(&self) -> Result<(ImageId, ImageId), SyncError> {
        let Self { options, old, new, .. } = self;
        let usage = |reason: &str| SyncError::Usage(format!("{} and {}: {reason}", options.old, options.new));
        if old.params != new.params {
            return Err(usage("these images are cut in different ways; no machine would find the patch"));
        }
        if formats_differ(old, new) {
            return Err(usage("their indexes have different formats; make the old image again in that of the new one"));
        }
        let ids = (old.image_id(), new.image_id());
        if ids.0 == ids.1 { Err(usage("both are the same image")) } else { Ok(ids) }
    }
}

/// The version of a patch between the images of these indexes. By version 2 it starts from parts, which both must have.
/// It then has all of the new image's wrapper. In an archive of layers that is hardly anything, but a root file system
/// with a small archive in it has its other files in the wrapper.
pub(crate) fn version_of(old: &Index, new: &Index) -> PatchVersion {
    let (Some(_), Some(units)) = (&old.units, &new.units) else { return PatchVersion::V1 };
    let wrapper_bytes = units.wrapper.skeleton.bytes.saturating_add(units.wrapper.contents.bytes);
    let most_bytes = MOST_WRAPPER_BYTES + MOST_WRAPPER_BYTES_A_PART * units.parts.len() as u64;
    if old.params == new.params && wrapper_bytes <= most_bytes { PatchVersion::V2 } else { PatchVersion::V1 }
}

/// Makes the patch, checks it, and puts it into the store.
pub(crate) fn publish(
    publication: &Publication<'_>,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<PatchReport, SyncError> {
    let Publication { options, old, new, store, .. } = publication;
    let (base, target) = publication.ids()?;
    let name = patch_name(&base, &target);
    let place = network.open_place(store, Opening::Existing)?;
    let mut report = PatchReport::of(&name, old, new);
    let found = network.block_on(front_of(&*place, &name))?;
    match &found {
        Some(Ok(front)) if !options.replace => {
            (report.present, report.bytes) = (true, front.patch_bytes);
            report.count_base_parts(front.version, old);
            return Ok(report);
        }
        Some(Err(error)) => progress.warn(&format!("{}: {error}; it is made again", store.child(&name))),
        _ => {}
    }
    let pool = Pool::new();
    let scratch = ScratchFolder::new(network.scratch()).map_err(SyncError::io(network.scratch()))?;
    let stores = [(*store).clone()];
    let catalog = publication.catalog;
    let old_or_stored = options.old_or_stored;
    let local = Locals { stores: &stores, catalog, scratch: scratch.path(), pool: &pool, progress, old_or_stored };
    let old_files: Vec<Given<'_>> = options.old_files.iter().map(|path| Given::Path(path)).collect();
    let (old_image, new_image) = local.open_both(
        (&options.old, old, &old_files),
        (&options.new, new, publication.new_file.as_slice()),
        network,
    )?;
    let version = version_of(old, new);
    let codings = codings::from_base(version, (old, &old_image), (new, &new_image))?;
    let chunk_cost = chunk_cost(publication, &old_image, &pool, network, progress)?;
    let mut file = place.stage("patch-").map_err(StoreError::io(place.staging()))?;
    let between = Between {
        base: &old_image,
        target: &new_image,
        ids: (base, target),
        version,
        codings: &codings,
        params: new.params,
        chunk_cost,
        least_saving: options.least_saving,
        level: options.level,
        pool: &pool,
        scratch: scratch.path(),
        progress,
    };
    let made = write_checked(&between, file.as_file_mut());
    // If a file was written to meanwhile, that explains every other error.
    [&old_image, &new_image].into_iter().try_for_each(|image| image.check_unchanged())?;
    report.bytes_chunks = chunk_cost.bytes;
    let written = match made? {
        Made::Patch(written) => written,
        Made::NotWorth { bytes } => {
            (report.bytes, report.not_worth) = (bytes, true);
            return Ok(report);
        }
    };
    report.bytes = written.header.patch_bytes;
    report.bytes_codings = codings.len() as u64;
    report.count_base_parts(written.header.version, old);
    let of_members = u64::from(written.header.lists_stored).saturating_sub(report.bytes_codings);
    (report.members, report.bytes_members) = (written.members, of_members);
    let condition = if found.is_some() { Condition::Always } else { Condition::IfAbsent };
    network.block_on(place.put(&name, Content::File(file), ObjectKind::Immutable, condition))?;
    Ok(report)
}

/// The cost of the chunks that a machine with the old image would fetch.
fn chunk_cost(
    publication: &Publication<'_>,
    old: &PatchImage,
    pool: &Pool,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<ChunkCost, SyncError> {
    let Publication { options, new, store, .. } = publication;
    let stores = [(*store).clone()];
    let scratch = network.scratch().to_owned();
    let mut reading = Reading { stores: &stores, network, pool, scratch: &scratch, progress };
    let image = PartedRecipe { recipe: old.recipe(), parts: old.parts().to_vec() };
    let cost = UpdateCost::of(image, Sharing::ByLength, &options.new, new, &mut reading)?;
    Ok(ChunkCost { bytes: cost.table_bytes + cost.frame_bytes, chunks: cost.chunks, plain_bytes: cost.plain_bytes })
}

/// Announces a patch in the new index. Returns `false`, after a warning, if that is not possible.
fn announce(
    options: &PatchOptions,
    patch: &AnnouncedPatch,
    new: &Index,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<bool, SyncError> {
    let unannounced = |reason: &str| {
        let told = match new.units {
            Some(_) => "the patch is not announced, and machines do not look for it",
            None => "the patch is not announced; machines still find it, but may fetch tables of packs first",
        };
        progress.warn(&format!("{}: {reason}, so {told}", options.new));
    };
    if matches!(options.new, Location::Url(_)) {
        unannounced("the index cannot be written");
        return Ok(false);
    }
    let (place, name) = network.open_parent(&options.new)?;
    let (target, mut announced) = (new.image_id(), Announced::Again);
    // Other makers may announce patches to the same image at the same time.
    for _ in 0..ANNOUNCEMENTS {
        if announced == Announced::Again {
            announced = network.block_on(announce_once(options, &*place, &name, patch, &target))?;
        }
    }
    if announced != Announced::Yes {
        unannounced("the index has changed meanwhile");
    }
    Ok(announced == Announced::Yes)
}

/// The outcome of one try to announce a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Yes,
    /// The index is gone, or describes another image by now.
    No,
    /// Another index was put while this one was changed.
    Again,
}

async fn announce_once(
    options: &PatchOptions,
    place: &dyn Store,
    name: &str,
    patch: &AnnouncedPatch,
    target: &ImageId,
) -> Result<Announced, SyncError> {
    let Some((bytes, version)) = read_small(place, name, MAX_INDEX_BYTES).await? else { return Ok(Announced::No) };
    let mut index =
        Index::decode(&bytes).map_err(|source| SyncError::Index { location: options.new.to_string(), source })?;
    if index.image_id() != *target {
        return Ok(Announced::No);
    }
    // Version 1 does not state sizes, so the announcement would be the same.
    let is_same = |other: &AnnouncedPatch| other == patch || (index.units.is_none() && other.base == patch.base);
    if index.patches.iter().any(is_same) {
        return Ok(Announced::Yes);
    }
    index.announce(patch.clone());
    let encoded = encode(&index, &options.new)?;
    let condition = version.map_or(Condition::Always, Condition::IfVersion);
    let put = put_index_if(place, name, encoded, options.index_max_age, condition).await?;
    Ok(if put == PutOutcome::Stored { Announced::Yes } else { Announced::Again })
}

/// The header of the patch that the store has, or the error in it. Returns `None` if there is no patch.
pub(crate) async fn front_of(
    place: &dyn Store,
    name: &str,
) -> Result<Option<Result<PatchHeader, HeaderError>>, SyncError> {
    let Some(found) = place.stat(name).await? else { return Ok(None) };
    if found.bytes < HEADER_BYTES as u64 {
        return Ok(Some(Err(HeaderError::NotAPatch)));
    }
    let front = place.get(name, Span::Range(0..HEADER_BYTES as u64)).await?.bytes().await?;
    let header = front.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::NotAPatch);
    Ok(Some(header.and_then(|front| PatchHeader::decode(front, found.bytes))))
}
