//! Copies patches along with their images.

use std::collections::{BTreeMap, BTreeSet};

use regrow_chunker::ImageId;
use regrow_index::{AnnouncedPatch, BasePart, Index, Units};
use regrow_patch::PatchVersion;
use regrow_store::{Condition, Content, ObjectKind, PutOutcome, Store, StoreError, patch_name};

use super::{PushReport, Source};
use crate::flows::patch::front_of;
use crate::transfer::whole_patch::fetch_whole;
use crate::{Progress, SyncError};

/// How a patch came to be in the target store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopiedPatch {
    Absent,
    Present,
    Copied,
}

/// Copies the patches to the pushed images: those that their indexes announce, and those from one pushed image to
/// another. A patch that is absent or damaged is passed over, since machines then take chunks. Indexes of version 2
/// announce what was copied, since nobody looks for other patches.
pub(super) async fn copy_patches(
    sources: &mut [Source],
    to: &dyn Store,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<(), SyncError> {
    let parts = |source: &Source| source.index.units.as_ref().map_or_else(Vec::new, Units::base_parts);
    let pushed: BTreeMap<ImageId, Vec<BasePart>> =
        sources.iter().map(|source| (source.index.image_id(), parts(source))).collect();
    for source in sources {
        let target = source.index.image_id();
        let announced = source.index.patches.iter().map(|patch| patch.base);
        let bases: BTreeSet<ImageId> = announced.chain(pushed.keys().copied()).collect();
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
    for Source { index, .. } in sources.iter_mut().filter(|source| source.index.units.is_some()) {
        let target = index.image_id();
        let mut present = BTreeSet::new();
        for patch in &index.patches {
            if to.stat(&patch_name(&patch.base, &target)).await?.is_some() {
                present.insert(patch.base);
            }
        }
        index.patches.retain(|patch| present.contains(&patch.base));
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
