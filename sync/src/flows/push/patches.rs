//! Copies patches along with their images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::ImageId;
use regrow_index::{AnnouncedPatch, BasePart, Index, Units};
use regrow_patch::PatchVersion;
use regrow_store::{
    Condition, Content, Depth, ListStore, ObjectKind, PATCHES_FOLDER, PutOutcome, Store, StoreError,
    parse_patch_object, patch_name,
};

use super::{PushReport, Source};
use crate::flows::patch::front_of;
use crate::transfer::whole_patch::fetch_whole;
use crate::{Progress, SyncError};

/// The number of patches that are looked for at a time.
const LOOKS_IN_FLIGHT: usize = 16;

/// How a patch came to be in the target store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopiedPatch {
    Absent,
    Present,
    Copied,
}

/// The base and the target of a patch.
type Patch = (ImageId, ImageId);

/// The patches that are in these stores or in the target store. The result is `None` if that cannot be told: then each
/// two images may have one.
pub(super) async fn held(stores: Option<Vec<Arc<dyn Store>>>, to: &Arc<dyn Store>) -> Option<BTreeSet<Patch>> {
    let mut held = BTreeSet::new();
    for store in stores?.iter().chain([to]) {
        let listed = store.list(PATCHES_FOLDER, Depth::Tree);
        let found: Result<Vec<Option<Patch>>, StoreError> =
            listed.map_ok(|info| parse_patch_object(&info.name)).try_collect().await;
        held.extend(found.ok()?.into_iter().flatten());
    }
    Some(held)
}

/// Copies the patches to the pushed images: those that their indexes announce, and those from one pushed image to
/// another. A patch that is absent or damaged is passed over, since machines then take chunks. Indexes of version 2
/// announce what was copied, since nobody looks for other patches.
pub(super) async fn copy_patches(
    sources: &mut [Source],
    to: &dyn Store,
    held: Option<&BTreeSet<Patch>>,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<(), SyncError> {
    let parts = |source: &Source| source.index.units.as_ref().map_or_else(Vec::new, Units::base_parts);
    let pushed: BTreeMap<ImageId, Vec<BasePart>> =
        sources.iter().map(|source| (source.index.image_id(), parts(source))).collect();
    for source in sources {
        let target = source.index.image_id();
        let announced = source.index.patches.iter().map(|patch| patch.base);
        let is_held = |base: &ImageId| held.is_none_or(|held| held.contains(&(*base, target)));
        let bases: BTreeSet<ImageId> = announced.chain(pushed.keys().copied().filter(is_held)).collect();
        for base in bases.into_iter().filter(|base| *base != target) {
            let copied = copy_patch((&base, &target), source, to, progress, report).await?;
            // A patch that was there already may be another one than the source has.
            let is_known = copied == CopiedPatch::Copied && source.index.announces(&base);
            if copied != CopiedPatch::Absent && source.index.units.is_some() && !is_known {
                announce(&mut source.index, base, pushed.get(&base), to).await?;
            }
        }
    }
    Ok(())
}

/// Announces a patch from this image as it is in the target store. `parts` are those of the base, if they are known.
async fn announce(
    index: &mut Index,
    base: ImageId,
    parts: Option<&Vec<BasePart>>,
    to: &dyn Store,
) -> Result<(), SyncError> {
    let Some(Ok(header)) = front_of(to, &patch_name(&base, &index.image_id())).await? else { return Ok(()) };
    let known = index.patches.iter_mut().find(|patch| patch.base == base);
    let stated = known.as_ref().map(|patch| &patch.parts).filter(|parts| !parts.is_empty());
    let parts = match header.version {
        PatchVersion::V1 => Vec::new(),
        PatchVersion::V2 => stated.or(parts).cloned().unwrap_or_default(),
    };
    let patch = AnnouncedPatch { base, bytes: Some(header.patch_bytes), parts };
    match known {
        Some(known) => *known = patch,
        None => index.announce(patch),
    }
    Ok(())
}

/// Removes from indexes of version 2 the announcements of patches that are not in the store. Readers would ask for them
/// without success.
pub(super) async fn forget_absent(sources: &mut [Source], to: &dyn Store) -> Result<(), SyncError> {
    let announced = |source: &Source| {
        let target = source.index.image_id();
        source.index.patches.iter().map(|patch| (patch.base, target)).collect::<Vec<_>>()
    };
    let is_new = |source: &&mut Source| source.index.units.is_some();
    let patches: BTreeSet<Patch> = sources.iter_mut().filter(is_new).flat_map(|source| announced(source)).collect();
    let looks = patches.into_iter().map(|(base, target)| async move {
        let found = to.stat(&patch_name(&base, &target)).await?;
        Ok::<_, StoreError>(found.map(|_| (base, target)))
    });
    let found: Vec<Option<Patch>> = stream::iter(looks).buffer_unordered(LOOKS_IN_FLIGHT).try_collect().await?;
    let present: BTreeSet<Patch> = found.into_iter().flatten().collect();
    for Source { index, .. } in sources.iter_mut().filter(is_new) {
        let target = index.image_id();
        index.patches.retain(|patch| present.contains(&(patch.base, target)));
    }
    Ok(())
}

/// Copies a patch, unless it is there already.
async fn copy_patch(
    ids: (&ImageId, &ImageId),
    source: &Source,
    to: &dyn Store,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<CopiedPatch, SyncError> {
    let name = &patch_name(ids.0, ids.1);
    if to.stat(name).await?.is_some() {
        report.patches_present += 1;
        return Ok(CopiedPatch::Present);
    }
    for store in &source.stores {
        let copied = match to.copy_from(&**store, name, ObjectKind::Immutable).await {
            Ok(true) => Ok(None),
            Ok(false) => {
                let mut file = to.stage("patch-").map_err(SyncError::io(to.staging()))?;
                let to_file = (file.as_file_mut(), to.staging());
                fetch_whole(ids, &**store, to_file).await.map(|()| Some(file))
            }
            Err(error) => Err(error.into()),
        };
        match copied {
            Ok(None) => report.patches_copied += 1,
            Ok(Some(file)) => {
                let put = to.put(name, Content::File(file), ObjectKind::Immutable, Condition::IfAbsent).await?;
                report.patches_copied += u64::from(put == PutOutcome::Stored);
            }
            Err(SyncError::Store(error)) if error.is_not_found() => continue,
            Err(SyncError::Store(error @ StoreError::Damaged { .. })) => {
                progress.warn(&format!("{error}; it is not copied"));
                continue;
            }
            Err(error) => return Err(error),
        }
        return Ok(CopiedPatch::Copied);
    }
    Ok(CopiedPatch::Absent)
}
