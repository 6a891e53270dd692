//! The ends of the packs that were written with an image, fetched while a seed is still being read: a machine that is to have the
//! image needs them, whatever the seed holds. Whether and when they are is decided here alone: flows only tell what happens.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use regrow_index::Index;
use regrow_store::{ReadStore, Span, pack_name};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::ends::ends_of;
use crate::Network;

/// More than this in all is not fetched on a guess.
const MOST_BYTES: u64 = 8 << 20;

/// An end on its way.
struct Pending {
    range: Range<u64>,
    task: JoinHandle<Option<Bytes>>,
}

/// See the module's documentation.
pub(crate) struct Prefetch<'a> {
    network: &'a Network,
    store: Option<Arc<dyn ReadStore>>,
    index: &'a Index,
    /// Whether a patch will be looked for that the index announces.
    expects_patch: bool,
    /// One for each request that may be in flight.
    permits: Arc<Semaphore>,
    pending: Mutex<Option<BTreeMap<u32, Pending>>>,
}

impl<'a> Prefetch<'a> {
    /// Nothing is fetched yet; and nothing ever where the first store is local. All but one of the `connections` are used, so that
    /// a patch can be asked for meanwhile.
    pub(crate) fn new(
        network: &'a Network,
        stores: &[Arc<dyn ReadStore>],
        index: &'a Index,
        uses_patches: bool,
        connections: usize,
    ) -> Self {
        let store = stores.first().filter(|store| !store.is_local()).cloned();
        let expects_patch = uses_patches && !index.patch_bases.is_empty();
        let permits = Arc::new(Semaphore::new(connections.saturating_sub(1).clamp(1, Semaphore::MAX_PERMITS)));
        Self { network, store, index, expects_patch, permits, pending: Mutex::default() }
    }

    /// A seed has to be read, which takes some time. Where a patch is to be expected, the ends are most likely not needed.
    pub(crate) fn on_scan(&self) {
        if !self.expects_patch {
            self.start();
        }
    }

    /// A patch will be asked for. Where the index announces none there is most likely none: then no time was lost.
    pub(crate) fn on_patch_sought(&self) {
        if self.index.patch_bases.is_empty() {
            self.start();
        }
    }

    /// There is a patch. Waits for what is on its way, so that what was fetched can be counted.
    pub(crate) fn on_patch_found(&self) {
        for (_, pending) in self.pending().take().into_iter().flatten() {
            let _ = self.network.block_on(pending.task);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Option<BTreeMap<u32, Pending>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to fetch the ends. The first call counts.
    fn start(&self) {
        let Some(store) = &self.store else { return };
        let mut pending = self.pending();
        if pending.is_some() {
            return;
        }
        let wanted: Vec<(u32, bool)> = self.index.fresh_packs.iter().map(|&pack| (pack, true)).collect();
        let ends = ends_of(&self.index.packs, &wanted);
        let bytes: u64 = ends.iter().map(|(_, range)| range.end - range.start).sum();
        let ends = if bytes > MOST_BYTES { Vec::new() } else { ends };
        let begin = |(pack, range): (u32, Range<u64>)| {
            let (store, name) = (Arc::clone(store), pack_name(&self.index.packs[pack as usize].id));
            let (span, permits) = (Span::Range(range.clone()), Arc::clone(&self.permits));
            let task = self.network.runtime().spawn(async move {
                let _permit = permits.acquire().await.ok()?;
                store.get(&name, span).await.ok()?.bytes().await.ok()
            });
            (pack, Pending { range, task })
        };
        *pending = Some(ends.into_iter().map(begin).collect());
    }

    /// The end of a pack from `range`'s start on, if it was on its way. Not checked.
    pub(crate) fn take(&self, pack: u32, range: &Range<u64>) -> Option<Bytes> {
        let pending = self.pending().as_mut()?.remove(&pack)?;
        let skip = range.start.checked_sub(pending.range.start).filter(|_| range.end == pending.range.end)?;
        let bytes = self.network.block_on(pending.task).ok()??;
        let skip = usize::try_from(skip).ok().filter(|&skip| skip <= bytes.len())?;
        Some(bytes.slice(skip..))
    }
}

impl Drop for Prefetch<'_> {
    fn drop(&mut self) {
        let pending = self.pending().take().into_iter().flatten();
        pending.for_each(|(_, pending)| pending.task.abort());
    }
}
