//! Whether packs that were archived can be read, now that they were put again. A put replaces an object together with its
//! storage class, but not on each host, and a lifecycle rule may archive it again at once.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::ChunkId;
use regrow_store::{Span, Store, pack_name};

use crate::SyncError;

/// Requests in flight.
const IN_FLIGHT: usize = 16;

/// Reads a byte of each of these packs.
///
/// # Errors
/// [`SyncError::Archived`], and those of the store.
pub(super) async fn check(store: &dyn Store, packs: &BTreeSet<ChunkId>) -> Result<(), SyncError> {
    let checks: Vec<_> = packs.iter().map(|pack| check_one(store, *pack)).collect();
    stream::iter(checks).buffer_unordered(IN_FLIGHT).try_for_each(|()| std::future::ready(Ok(()))).await
}

async fn check_one(store: &dyn Store, pack: ChunkId) -> Result<(), SyncError> {
    match store.get(&pack_name(&pack), Span::Range(0..1)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_archived() => Err(SyncError::Archived { pack, store: store.location().to_owned() }),
        Err(error) => Err(error.into()),
    }
}
