//! Copies patches along with their images.

use std::collections::BTreeSet;

use regrow_chunker::ImageId;
use regrow_index::AnnouncedPatch;
use regrow_store::{Condition, Content, ObjectKind, PutOutcome, Store, StoreError, patch_name};

use super::{PushReport, Source};
use crate::transfer::whole_patch::fetch_whole;
use crate::{Progress, SyncError};

/// Copies the patches to the pushed images: those that their indexes announce, and those from one pushed image to
/// another. A patch that is absent or damaged is passed over, since machines then take chunks. Indexes of version 2
/// announce what was copied, since nobody looks for other patches.
pub(super) async fn copy_patches(
    sources: &mut [Source],
    to: &dyn Store,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<(), SyncError> {
    let pushed: Vec<ImageId> = sources.iter().map(|source| source.index.image_id()).collect();
    for source in sources {
        let target = source.index.image_id();
        let announced = source.index.patches.iter().map(|patch| patch.base);
        let bases: BTreeSet<ImageId> = announced.chain(pushed.iter().copied()).collect();
        for base in bases.into_iter().filter(|base| *base != target) {
            let is_there = copy_patch((&base, &target), source, to, progress, report).await?;
            if is_there && source.index.units.is_some() && !source.index.announces(&base) {
                let bytes = to.stat(&patch_name(&base, &target)).await?.map(|info| info.bytes);
                source.index.announce(AnnouncedPatch { base, bytes, parts: Vec::new() });
            }
        }
    }
    Ok(())
}

/// Copies a patch. Returns whether it is there afterwards.
async fn copy_patch(
    ids: (&ImageId, &ImageId),
    source: &Source,
    to: &dyn Store,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<bool, SyncError> {
    let name = &patch_name(ids.0, ids.1);
    if to.stat(name).await?.is_some() {
        report.patches_present += 1;
        return Ok(true);
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
        return Ok(true);
    }
    Ok(false)
}
