//! Checks that archived packs can be read after they were put again. On most hosts a put replaces an object together
//! with its storage class, but not on all, and a lifecycle rule may archive the pack again at once.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::PackId;
use regrow_store::{Span, Store, pack_name};

use crate::SyncError;

/// The most requests that are in flight at a time.
const IN_FLIGHT: usize = 16;

/// Reads one byte of each pack.
///
/// # Errors
/// Returns [`SyncError::Archived`] if a pack is still archived, and errors of the store.
pub(super) async fn check(store: &dyn Store, packs: &BTreeSet<PackId>) -> Result<(), SyncError> {
    let checks: Vec<_> = packs.iter().map(|pack| check_one(store, *pack)).collect();
    stream::iter(checks).buffer_unordered(IN_FLIGHT).try_for_each(|()| std::future::ready(Ok(()))).await
}

async fn check_one(store: &dyn Store, pack: PackId) -> Result<(), SyncError> {
    match store.get(&pack_name(&pack), Span::Range(0..1)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_archived() => Err(SyncError::Archived { pack, store: store.location().to_owned() }),
        Err(error) => Err(error.into()),
    }
}
