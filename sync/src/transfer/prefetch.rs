//! Fetches the ends of the packs that were written with an image while a seed is still being read. A machine that wants
//! the image needs those ends, whatever the seed holds. This module alone decides whether and when to fetch them: flows
//! only report what happens.

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

/// The most bytes that are fetched on a guess.
const MOST_BYTES: u64 = 8 << 20;

/// An end that is being fetched.
struct Pending {
    range: Range<u64>,
    task: JoinHandle<Option<Bytes>>,
}

/// The ends of packs that are fetched early.
pub(crate) struct Prefetch<'a> {
    network: &'a Network,
    store: Option<Arc<dyn ReadStore>>,
    index: &'a Index,
    /// Whether a patch will be looked for, because the index announces one.
    expects_patch: bool,
    /// A permit for each request that may be in flight.
    permits: Arc<Semaphore>,
    pending: Mutex<Option<BTreeMap<u32, Pending>>>,
}

impl<'a> Prefetch<'a> {
    /// Prepares to fetch ends, but requests nothing yet. If the first store is local, nothing will be requested at all.
    /// One of the `connections` is left free, so that a patch can be asked for at the same time.
    pub(crate) fn new(
        network: &'a Network,
        stores: &[Arc<dyn ReadStore>],
        index: &'a Index,
        uses_patches: bool,
        connections: usize,
    ) -> Self {
        let store = stores.first().filter(|store| !store.is_local()).cloned();
        let expects_patch = uses_patches && !index.patches.is_empty();
        let permits = Arc::new(Semaphore::new(connections.saturating_sub(1).clamp(1, Semaphore::MAX_PERMITS)));
        Self { network, store, index, expects_patch, permits, pending: Mutex::default() }
    }

    /// Tells that a seed must be read, which takes some time. The ends are fetched meanwhile, unless a patch is
    /// expected, which most likely makes them unnecessary.
    pub(crate) fn on_scan(&self) {
        if !self.expects_patch {
            self.start();
        }
    }

    /// Tells that a patch will be asked for. If the index announces none, there most likely is none, so the ends are
    /// fetched meanwhile.
    pub(crate) fn on_patch_sought(&self) {
        if self.index.patches.is_empty() {
            self.start();
        }
    }

    /// Tells that there is a patch. Waits for the requests in flight, so that their bytes can be counted.
    pub(crate) fn on_patch_found(&self) {
        for (_, pending) in self.pending().take().into_iter().flatten() {
            let _ = self.network.block_on(pending.task);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Option<BTreeMap<u32, Pending>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to fetch the ends. Only the first call has an effect.
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

    /// Takes the end of a pack from `range`'s start on, if it was requested. Its bytes have not been checked.
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
