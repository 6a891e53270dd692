//! Deletes from a store what no kept index needs, in two steps with some time between them. FORMAT.md, section 8.1,
//! says why no maker and no reader loses anything by it.

mod history;
mod keep;
mod repack;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::PackId;
use regrow_store::{
    Depth, ListStore, ObjectInfo, PATCHES_FOLDER, STORE_FILE, Store, StoreError, list_packs, pack_name,
    parse_patch_object, read_description,
};
use serde::Serialize;

use crate::flows::seconds::as_seconds;
use crate::place::clock::difference;
use crate::place::condemned::{Condemned, Sentence};
use crate::place::network::Opening;
use crate::{Location, MakeOptions, Network, Progress, SyncError};

pub use history::{HistoryOptions, PrunedPatches, prune_patches};
use keep::{Keep, Needs};

/// The largest difference of clocks that is ignored: hosts round times to seconds.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// The store to collect, and how.
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// The store.
    pub store: Location,
    /// Indexes (`….rgx`), and places whose indexes at any depth are kept. If there are none, this is the place that
    /// the store lies in.
    pub keep: Vec<Location>,
    /// How long a pack stays after it was found unneeded. No younger pack is touched.
    pub grace: Duration,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// Whether to rewrite packs less than half of which is needed.
    pub repack: bool,
    /// The zstd level of rewritten packs.
    pub level: i32,
    /// How long caches may keep rewritten indexes.
    pub index_max_age: Duration,
}

impl GcOptions {
    /// How long a pack stays by default.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

    /// The default options for a store.
    #[must_use]
    pub fn new(store: impl Into<Location>) -> Self {
        Self {
            store: store.into(),
            keep: Vec::new(),
            grace: Self::DEFAULT_GRACE,
            dry_run: false,
            repack: false,
            level: MakeOptions::DEFAULT_LEVEL,
            index_max_age: MakeOptions::DEFAULT_INDEX_MAX_AGE,
        }
    }
}

/// The result of a collection, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GcReport {
    /// The number of indexes that are kept.
    pub indexes: u64,
    /// The number of packs in the store.
    pub packs: u64,
    /// The size of those packs in bytes.
    pub bytes: u64,
    /// The number of packs that kept indexes need.
    pub packs_needed: u64,
    /// The size of the needed packs in bytes.
    pub bytes_needed: u64,
    /// The number of packs that no index needs, but that are too young to be touched.
    pub packs_young: u64,
    /// The number of packs that this run condemned. A later run deletes them.
    pub packs_condemned: u64,
    /// The number of packs that were condemned earlier and wait for their time.
    pub packs_waiting: u64,
    /// The number of packs that were deleted.
    pub packs_deleted: u64,
    /// The size of the deleted packs in bytes.
    pub bytes_deleted: u64,
    /// The number of patches in the store.
    pub patches: u64,
    /// The number of patches to images that no kept index describes, but that are too young to be touched.
    pub patches_young: u64,
    /// The number of patches that were deleted.
    pub patches_deleted: u64,
    /// The size of the deleted patches in bytes.
    pub bytes_patches_deleted: u64,
    /// The number of packs that were rewritten.
    pub packs_repacked: u64,
    /// The number of indexes that were pointed to rewritten packs.
    pub indexes_rewritten: u64,
    /// The packs that kept indexes name but the store does not have, a line for each.
    pub missing: Vec<String>,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// Collects as `options` say.
///
/// # Errors
/// Nothing is deleted if a kept index cannot be read, or if there is no index to keep.
pub fn gc(options: &GcOptions, network: &mut Network, progress: &dyn Progress) -> Result<GcReport, SyncError> {
    let start = Instant::now();
    let store = network.open_place(&options.store, Opening::Existing)?;
    let keep = Keep::open(options, network)?;
    let mut report = GcReport { dry_run: options.dry_run, ..GcReport::default() };
    network.block_on(check_store(&*store))?;
    if options.repack {
        repack::repack(options, &store, &keep, network, progress, &mut report)?;
    }
    network.block_on(Collection { store, keep, options, report: &mut report, is_clock_checked: false }.run())?;
    report.elapsed = start.elapsed();
    Ok(report)
}

async fn check_store(store: &dyn Store) -> Result<(), StoreError> {
    if read_description(store).await?.is_some() {
        return Ok(());
    }
    let reason = format!("no store here: there is no {STORE_FILE}");
    Err(StoreError::Location { location: store.location().to_owned(), reason })
}

struct Collection<'a> {
    store: Arc<dyn Store>,
    keep: Keep,
    options: &'a GcOptions,
    report: &'a mut GcReport,
    /// Whether the clock was found to agree with the store's.
    is_clock_checked: bool,
}

impl Collection<'_> {
    /// The steps A to F of FORMAT.md, section 8.1.
    async fn run(mut self) -> Result<(), SyncError> {
        let packs: BTreeMap<PackId, ObjectInfo> = list_packs(&*self.store).try_collect().await?;
        let mut condemned = Condemned::read(&*self.store).await?;
        let mut needs = self.keep.read(Needs::default()).await?;
        self.check_indexes(&needs, &packs)?;
        // The indexes are read first, which may take long: a sentence begins when makers can see it.
        let now = SystemTime::now();
        self.condemn(&packs, &needs, &mut condemned, now);
        if !self.options.dry_run && condemned.is_changed() {
            // The clock is checked before the list is written, since others would believe a wrong time in it.
            self.check_clock(&mut condemned).await?;
            if !condemned.write(&*self.store).await? {
                return Err(self.collected());
            }
        }
        needs = self.keep.read(needs).await?;
        let due = self.due(&packs, &needs, &condemned, now).await?;
        let patches = self.due_patches(&needs, now).await?;
        self.count(&packs, &needs, &condemned, &due);
        self.report.missing = self.missing(&packs, &needs).await?;
        if self.options.dry_run || (due.is_empty() && patches.is_empty()) {
            return Ok(());
        }
        self.check_clock(&mut condemned).await?;
        let names: Vec<String> = due.iter().map(pack_name).chain(patches).collect();
        self.store.delete(&names).await?;
        condemned.packs.retain(|id, _| !due.contains(id));
        // If another gc was faster, its list stands. The next run drops the entries of packs that are gone.
        condemned.write(&*self.store).await?;
        Ok(())
    }

    fn collected(&self) -> SyncError {
        SyncError::Collected { store: self.options.store.to_string() }
    }

    /// Compares this machine's clock with the store's, once. The time of deletion depends on both, and on the
    /// clocks of all machines that run gc. Clocks that are off by less than a quarter of the grace agree with each
    /// other within half of it.
    async fn check_clock(&mut self, condemned: &mut Condemned) -> Result<(), SyncError> {
        // Without a grace the user must see to it that nothing is being made. The entries of others still have
        // their grace.
        let graces = condemned.packs.values().map(|sentence| sentence.grace).chain([self.options.grace]);
        let Some(grace) = graces.filter(|grace| !grace.is_zero()).min() else { return Ok(()) };
        if std::mem::replace(&mut self.is_clock_checked, true) {
            return Ok(());
        }
        let before = SystemTime::now();
        let modified = condemned.time_of_store(&*self.store).await?.ok_or_else(|| self.collected())?;
        let (by, is_behind) = difference(before, SystemTime::now(), modified);
        if by > (grace / 4).max(CLOCK_SLACK) {
            return Err(SyncError::Clock { store: self.options.store.to_string(), by, is_behind });
        }
        Ok(())
    }

    /// Refuses to keep nothing of a store, since most likely the wrong indexes were named.
    fn check_indexes(&self, needs: &Needs, packs: &BTreeMap<PackId, ObjectInfo>) -> Result<(), SyncError> {
        if needs.indexes() == 0 {
            return Err(SyncError::NoIndexes { places: self.keep.shown() });
        }
        if !packs.is_empty() && !needs.packs.keys().any(|id| packs.contains_key(id)) {
            return Err(SyncError::OtherIndexes { places: self.keep.shown() });
        }
        Ok(())
    }

    /// Does step C: pardons packs that are needed again, forgets packs that are gone, and condemns packs that no
    /// index needs.
    fn condemn(
        &mut self,
        packs: &BTreeMap<PackId, ObjectInfo>,
        needs: &Needs,
        condemned: &mut Condemned,
        now: SystemTime,
    ) {
        condemned.packs.retain(|id, _| packs.contains_key(id) && !needs.packs.contains_key(id));
        for (id, info) in packs {
            if needs.packs.contains_key(id) || condemned.contains(id) {
                continue;
            }
            // A pack whose time lies in the future counts as new.
            let age = now.duration_since(info.modified).unwrap_or_default();
            if age < self.options.grace {
                self.report.packs_young += 1;
                continue;
            }
            condemned.packs.insert(*id, Sentence { at: now, grace: self.options.grace });
            self.report.packs_condemned += 1;
        }
    }

    /// Does step E: finds packs that have been condemned for long enough, and still are in the list that stands in
    /// the store.
    async fn due(
        &mut self,
        packs: &BTreeMap<PackId, ObjectInfo>,
        needs: &Needs,
        condemned: &Condemned,
        now: SystemTime,
    ) -> Result<Vec<PackId>, SyncError> {
        let grace = self.options.grace;
        let is_due =
            |sentence: &Sentence| now.duration_since(sentence.at).is_ok_and(|since| since >= sentence.grace.max(grace));
        let due = condemned
            .packs
            .iter()
            .filter(|(id, sentence)| packs.contains_key(id) && !needs.packs.contains_key(id) && is_due(sentence));
        let mut due: Vec<PackId> = due.map(|(id, _)| *id).collect();
        if !due.is_empty() && !self.options.dry_run {
            let standing = Condemned::read(&*self.store).await?;
            due.retain(|id| standing.contains(id));
        }
        self.report.packs_waiting =
            (condemned.packs.len() - due.len()) as u64 - self.newly_waiting(&due, condemned, now);
        Ok(due)
    }

    /// The number of packs that this run condemned and does not delete at once.
    fn newly_waiting(&self, due: &[PackId], condemned: &Condemned, now: SystemTime) -> u64 {
        let due: BTreeSet<&PackId> = due.iter().collect();
        condemned.packs.iter().filter(|(id, sentence)| sentence.at == now && !due.contains(id)).count() as u64
    }

    /// The patches to images that no kept index describes. Nobody relies on a patch, since chunks do as well.
    async fn due_patches(&mut self, needs: &Needs, now: SystemTime) -> Result<Vec<String>, SyncError> {
        let (store, mut due) = (Arc::clone(&self.store), Vec::new());
        let mut listed = store.list(PATCHES_FOLDER, Depth::Tree);
        while let Some(info) = listed.try_next().await? {
            let Some((_, target)) = parse_patch_object(&info.name) else { continue };
            self.report.patches += 1;
            if needs.images.contains(&target) {
                continue;
            }
            if now.duration_since(info.modified).is_ok_and(|age| age >= self.options.grace) {
                self.report.patches_deleted += 1;
                self.report.bytes_patches_deleted += info.bytes;
                due.push(info.name);
            } else {
                self.report.patches_young += 1;
            }
        }
        Ok(due)
    }

    fn count(&mut self, packs: &BTreeMap<PackId, ObjectInfo>, needs: &Needs, condemned: &Condemned, due: &[PackId]) {
        let report = &mut *self.report;
        let size = |id: &PackId| packs.get(id).map_or(0, |info| info.bytes);
        report.indexes = needs.indexes() as u64;
        (report.packs, report.bytes) = (packs.len() as u64, packs.values().map(|info| info.bytes).sum());
        let needed = needs.packs.keys().filter(|id| packs.contains_key(id));
        (report.packs_needed, report.bytes_needed) = needed.fold((0, 0), |(n, sum), id| (n + 1, sum + size(id)));
        (report.packs_deleted, report.bytes_deleted) = (due.len() as u64, due.iter().map(size).sum());
        debug_assert!(due.iter().all(|id| condemned.contains(id)));
    }

    /// The packs that are needed and not there. A pack that came with its index after the list was made is there.
    async fn missing(&self, packs: &BTreeMap<PackId, ObjectInfo>, needs: &Needs) -> Result<Vec<String>, StoreError> {
        let looks = needs.packs.iter().filter(|(id, _)| !packs.contains_key(id)).map(|(id, index)| async move {
            let found = self.store.stat(&pack_name(id)).await?;
            Ok::<_, StoreError>(found.is_none().then(|| format!("{index}: pack {id} is not in the store")))
        });
        let looks: Vec<_> = looks.collect();
        let found = stream::iter(looks).buffered(keep::IN_FLIGHT);
        found.try_filter_map(|line| std::future::ready(Ok(line))).try_collect().await
    }
}
