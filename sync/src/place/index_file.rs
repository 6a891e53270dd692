//! Index files: their names, their bytes, and the places where they may lie.

use std::time::Duration;

use bytes::Bytes;
use regrow_index::{Head, HeadRead, Index};
use regrow_store::{Condition, IndexContent, PutOutcome, Store, StoreError, pack_name, patch_name};

use super::location::{Location, folder_of};
use crate::{Progress, SyncError};

/// The time for which caches may keep an index that is replaced in place, unless a flow is given another.
pub(crate) const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);

/// Encodes an index, and checks that readers will accept it. They refuse an image that is too large for its chunks'
/// size.
pub(crate) fn encode(index: &Index, location: &Location) -> Result<Bytes, SyncError> {
    let encoded = index.encode();
    match Index::decode(&encoded) {
        Ok(_) => Ok(encoded.into()),
        Err(source) => Err(SyncError::Index { location: location.to_string(), source }),
    }
}

/// Puts an index under its name, and replaces any object there.
pub(crate) async fn put_index(
    place: &dyn Store,
    name: &str,
    encoded: Bytes,
    max_age: Duration,
) -> Result<(), SyncError> {
    put_index_if(place, name, encoded, max_age, Condition::Always).await?;
    Ok(())
}

/// Puts an index under its name, if a condition holds.
pub(crate) async fn put_index_if(
    place: &dyn Store,
    name: &str,
    encoded: Bytes,
    max_age: Duration,
    condition: Condition,
) -> Result<PutOutcome, StoreError> {
    let content = content_of(encoded, max_age);
    place.put_index(name, content, condition).await
}

/// An index to put, with the names of the objects that its readers ask for.
fn content_of(bytes: Bytes, max_age: Duration) -> IndexContent {
    let head_bytes = match Head::decode(&bytes) {
        Ok(HeadRead::Head(head)) => head.codings_block().start,
        _ => 0,
    };
    // Bytes that are no index are nobody's to put.
    let (needs, hints) = Index::decode(&bytes).map_or_else(
        |_| Default::default(),
        |index| {
            let target = index.image_id();
            let needs = index.packs.iter().map(|pack| pack_name(&pack.id)).collect();
            (needs, index.patches.iter().map(|patch| patch_name(&patch.base, &target)).collect())
        },
    );
    IndexContent { bytes, max_age, head_bytes, needs, hints }
}

/// Whether a name is one for indexes.
pub(crate) fn is_index_name(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".rgx")
}

/// Warns if gc will not see an index.
pub(crate) fn warn_of_name(index: &Location, progress: &dyn Progress) {
    let is_named = match index {
        // The name is the tag, whatever it is.
        Location::Registry(_) => true,
        other => is_index_name(&other.to_string()),
    };
    if !is_named {
        progress
            .warn(&format!("{index}: gc will delete the packs that it needs: only indexes named NAME.rgx are kept"));
    }
}

/// Refuses an index that would lie over the store's own objects.
pub(crate) fn check_apart(index: &Location, store: &Location) -> Result<(), SyncError> {
    let refused = || Err(SyncError::Usage(format!("{index}: the store reserves this name for itself")));
    let folders = ["packs", "patches", "tmp"];
    let own = [regrow_store::STORE_FILE, super::condemned::GC_FILE].into_iter().chain(folders);
    // Some file systems treat `GC.JSON` as the same name.
    if index.split_name().is_some_and(|(_, name)| own.into_iter().any(|own| name.eq_ignore_ascii_case(own))) {
        return refused();
    }
    let is_within = match (index, store) {
        (Location::Path(index), Location::Path(store)) => folder_of(index).canonicalize().is_ok_and(|folder| {
            folders.iter().any(|own| store.join(own).canonicalize().is_ok_and(|own| folder.starts_with(own)))
        }),
        (index, store) => folders.iter().any(|own| index.to_string().starts_with(&format!("{}/", store.child(own)))),
    };
    if is_within { refused() } else { Ok(()) }
}
