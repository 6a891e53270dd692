//! Copies indexes, and just the packs that they need, to another store. Packs go first, indexes last. Objects that
//! are there already are not sent again, so a push that was cut off continues when it is run again.

mod patches;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::PackId;
use regrow_image::WALK_VERSION;
use regrow_index::{Index, PackRef};
use regrow_store::{
    Condition, Content, ObjectKind, ReadStore, Span, Store, StoreDescription, StoreError, open_description, pack_name,
};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::make::upload::salt_pack;
use crate::flows::seconds::as_seconds;
use crate::place::condemned::Reliance;
use crate::place::index_file::{check_apart, encode, put_index, warn_of_name};
use crate::place::location::relative_store;
use crate::place::network::Opening;
use crate::{Location, Network, Progress, Stage, SyncError};

/// The most packs that are on their way at a time.
const PACKS_IN_FLIGHT: usize = 4;

/// The indexes to push, and the place to push them to.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// The indexes.
    pub indexes: Vec<Location>,
    /// The stores to read from, in this order. If there are none, those that the indexes name are used.
    pub stores: Vec<Location>,
    /// The store to write to, which is made if it is not there. Indexes go beside it, or into it if it is a
    /// bucket's root.
    pub to: Location,
    /// Whether to make the store even in a folder that holds other files.
    pub new_store: bool,
    /// How long caches may keep the indexes.
    pub index_max_age: Duration,
    /// Whether to copy patches to these images too.
    pub patches: bool,
}

/// The result of a push.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PushReport {
    /// The new locations of the indexes.
    pub indexes: Vec<String>,
    /// The number of packs that the indexes need.
    pub packs: u64,
    /// The number of those packs that were there already.
    pub packs_present: u64,
    /// The number of packs that were copied.
    pub packs_copied: u64,
    /// The size of the copied packs in bytes.
    pub bytes_copied: u64,
    /// The number of copied packs whose bytes did not pass through this machine.
    pub packs_copied_by_host: u64,
    /// The number of patches that were copied.
    pub patches_copied: u64,
    /// The number of patches that were there already.
    pub patches_present: u64,
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The number of those requests that write.
    pub requests_write: u64,
    /// The time that the push took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// An index to push.
struct Source {
    location: Location,
    index: Index,
    stores: Vec<Arc<dyn ReadStore>>,
}

/// How a pack came to be in the target store.
enum Copied {
    Present,
    ByHost,
    /// This machine copied it, under this name.
    Here(PackId),
}

/// Copies as `options` say.
///
/// # Errors
/// No index is written before all its packs are there.
pub fn push(options: &PushOptions, network: &mut Network, progress: &dyn Progress) -> Result<PushReport, SyncError> {
    let start = Instant::now();
    let mut sources =
        options.indexes.iter().map(|location| open(location, options, network)).collect::<Result<Vec<_>, _>>()?;
    let names = index_names(&sources)?;
    if options.to.split_name().is_some_and(|(_, name)| crate::place::index_file::is_index_name(&name)) {
        return Err(SyncError::Usage(format!(
            "{}: push takes a store to write to; the indexes go beside it",
            options.to
        )));
    }
    let place = options.to.surroundings();
    names.iter().try_for_each(|name| check_apart(&place.child(name), &options.to))?;
    let to = network.open_place(&options.to, Opening::new(options.new_store))?;
    let listable = if options.patches { listable_stores(&sources, options, network) } else { None };
    let mut report = PushReport::default();
    let renamed = network.block_on(async {
        describe(&sources, &*to).await?;
        let reliance = Reliance::begin(&*to).await?;
        let renamed = copy_packs(&sources, &*to, &reliance, progress, &mut report).await?;
        if options.patches {
            let held = patches::held(listable, &to).await;
            patches::copy_patches(&mut sources, &*to, held.as_ref(), progress, &mut report).await?;
        }
        patches::forget_absent(&mut sources, &*to).await?;
        let relied = sources.iter().flat_map(|source| &source.index.packs).map(|pack| renamed_id(&renamed, pack));
        reliance.confirm(&*to, relied).await?;
        Ok::<_, SyncError>(renamed)
    })?;
    for (source, name) in sources.into_iter().zip(names) {
        let target = place.child(&name);
        warn_of_name(&target, progress);
        let encoded = retarget(source.index, &renamed, &target, &options.to)?;
        let (parent, name) = network.open_parent(&target)?;
        network.block_on(put_index(&*parent, &name, encoded, options.index_max_age))?;
        report.indexes.push(target.to_string());
    }
    report.requests = network.meter().requests();
    report.requests_write = network.meter().writes();
    report.elapsed = start.elapsed();
    Ok(report)
}

fn open(location: &Location, options: &PushOptions, network: &mut Network) -> Result<Source, SyncError> {
    let index = network.load_index(location)?;
    let stores = network.stores_of(location, &index, &options.stores)?;
    if stores.is_empty() {
        return Err(SyncError::NoStore { location: location.to_string() });
    }
    Ok(Source { location: location.clone(), index, stores })
}

/// The stores that are read from, each once, or `None` if one of them cannot be listed.
fn listable_stores(sources: &[Source], options: &PushOptions, network: &mut Network) -> Option<Vec<Arc<dyn Store>>> {
    let mut locations: BTreeMap<String, Location> = BTreeMap::new();
    let beside = |source: &Source| source.location.beside(&source.index.store);
    let named = options.stores.iter().cloned().map(Some);
    let found: Vec<Option<Location>> =
        if options.stores.is_empty() { sources.iter().map(beside).collect() } else { named.collect() };
    for location in found {
        let location = location?;
        locations.insert(location.to_string(), location);
    }
    locations.values().map(|location| network.open_place(location, Opening::Existing).ok()).collect()
}

/// The names that the indexes get. They must differ from each other.
fn index_names(sources: &[Source]) -> Result<Vec<String>, SyncError> {
    let (mut names, mut seen) = (Vec::with_capacity(sources.len()), BTreeSet::new());
    for source in sources {
        let name = index_name(&source.location)?;
        if !seen.insert(name.clone()) {
            return Err(SyncError::Usage(format!("{}: another index to push is named {name} too", source.location)));
        }
        names.push(name);
    }
    Ok(names)
}

/// The last part of an index's location.
fn index_name(location: &Location) -> Result<String, SyncError> {
    let name = match location {
        Location::Url(url) => url.split(['?', '#']).next().and_then(|url| url.rsplit('/').next()).map(str::to_owned),
        other => other.split_name().map(|(_, name)| name),
    };
    let is_plain = |name: &String| !name.is_empty() && !name.contains(['%', '\\', ':']) && name != "..";
    name.filter(is_plain)
        .ok_or_else(|| SyncError::Usage(format!("{location}: does not end in a name that an index can have")))
}

/// Makes the store, or checks that it is one for these images.
async fn describe(sources: &[Source], to: &dyn Store) -> Result<(), StoreError> {
    let mut described: Vec<StoreDescription> = Vec::new();
    for Source { index, .. } in sources {
        let wanted = StoreDescription::new(WALK_VERSION, &index.params);
        // Usually all images have the same parameters.
        if !described.contains(&wanted) {
            open_description(to, Some(wanted), wanted).await?;
            described.push(wanted);
        }
    }
    Ok(())
}

/// Copies all packs, and returns those that have another name in the target store.
async fn copy_packs(
    sources: &[Source],
    to: &dyn Store,
    reliance: &Reliance,
    progress: &dyn Progress,
    report: &mut PushReport,
) -> Result<BTreeMap<PackId, PackId>, SyncError> {
    let wanted: BTreeMap<PackId, (PackRef, &Source)> = sources
        .iter()
        .flat_map(|source| source.index.packs.iter().map(move |pack| (pack.id, (*pack, source))))
        .collect();
    progress.begin(Stage::Copy, Some(wanted.values().map(|(pack, _)| pack.bytes).sum()));
    let copies = wanted.values().map(|(pack, source)| async move {
        let copied = copy_pack(pack, source, to, reliance).await?;
        progress.add(Stage::Copy, pack.bytes);
        Ok::<_, SyncError>((*pack, copied))
    });
    let mut copies = stream::iter(copies).buffer_unordered(PACKS_IN_FLIGHT);
    let mut renamed = BTreeMap::new();
    while let Some((pack, copied)) = copies.try_next().await? {
        report.packs += 1;
        match copied {
            Copied::Present => report.packs_present += 1,
            Copied::ByHost => report.packs_copied_by_host += 1,
            Copied::Here(id) => {
                report.packs_copied += 1;
                report.bytes_copied += pack.bytes;
                renamed.extend((id != pack.id).then_some((pack.id, id)));
            }
        }
    }
    report.packs_copied += report.packs_copied_by_host;
    progress.end(Stage::Copy);
    Ok(renamed)
}

async fn copy_pack(pack: &PackRef, source: &Source, to: &dyn Store, reliance: &Reliance) -> Result<Copied, SyncError> {
    let name = pack_name(&pack.id);
    let is_condemned = reliance.is_condemned(&pack.id);
    if !is_condemned {
        // A pack that is archived is put again, so that it can be read.
        if to.stat(&name).await?.is_some_and(|found| found.bytes == pack.bytes && !found.is_archived) {
            return Ok(Copied::Present);
        }
        for store in &source.stores {
            if to.copy_from(&**store, &name, ObjectKind::Immutable).await? {
                return Ok(Copied::ByHost);
            }
        }
    }
    let mut file = fetch(pack, &name, source, to).await?;
    let mut id = pack.id;
    let mut salt = 0;
    while reliance.is_condemned(&id) {
        salt += 1;
        id = salt_pack(&mut file, pack.bytes, salt).map_err(SyncError::io(to.staging()))?;
    }
    // A pack of another size is damaged.
    let is_there = to.stat(&pack_name(&id)).await?.is_some();
    let condition = if is_there { Condition::Always } else { Condition::IfAbsent };
    to.put(&pack_name(&id), Content::File(file), ObjectKind::Immutable, condition).await?;
    Ok(Copied::Here(id))
}

/// Fetches a pack into a file and checks it against its name. It comes from the first store that has it whole.
async fn fetch(pack: &PackRef, name: &str, source: &Source, to: &dyn Store) -> Result<NamedTempFile, SyncError> {
    let mut last = StoreError::NotFound { object: name.to_owned(), status: None };
    for store in &source.stores {
        match download(pack, name, &**store, to).await {
            Ok(file) => return Ok(file),
            Err(SyncError::Store(error)) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last.into())
}

async fn download(
    pack: &PackRef,
    name: &str,
    store: &dyn ReadStore,
    to: &dyn Store,
) -> Result<NamedTempFile, SyncError> {
    let io = || SyncError::io(to.staging());
    let damaged = || StoreError::Damaged {
        object: format!("{}/{name}", store.location()),
        reason: "its bytes are not what its name says".to_owned(),
    };
    let download = store.get(name, Span::Whole).await?;
    if download.range.end != pack.bytes {
        return Err(damaged().into());
    }
    let mut file = to.stage("pack-").map_err(io())?;
    let (mut body, mut hasher) = (download.body, blake3::Hasher::new());
    while let Some(piece) = body.next().await {
        let piece = piece?;
        hasher.update(&piece);
        file.write_all(&piece).map_err(io())?;
    }
    if PackId::of_hashed(&hasher) != pack.id {
        return Err(damaged().into());
    }
    Ok(file)
}

fn renamed_id(renamed: &BTreeMap<PackId, PackId>, pack: &PackRef) -> PackId {
    renamed.get(&pack.id).copied().unwrap_or(pack.id)
}

/// The index for its new place. It is the old one, byte for byte, unless the names of its packs or the path to its
/// store change.
fn retarget(
    mut index: Index,
    renamed: &BTreeMap<PackId, PackId>,
    target: &Location,
    store: &Location,
) -> Result<Bytes, SyncError> {
    index.packs.iter_mut().for_each(|pack| pack.id = renamed_id(renamed, pack));
    index.store = relative_store(target, store);
    encode(&index, target)
}
