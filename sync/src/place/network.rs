//! Opening stores and reading indexes from where they are.

mod buckets;
mod received;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use regrow_catalog::Catalog;
use regrow_chunker::ReaderLimits;
use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_local::{LocalError, check_threads};
use regrow_store::{
    BucketOptions, BucketUrl, Fetched, FolderStore, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, Retry,
    RetryPolicy, Route, Span, Store, StoreError, WholeObjects, shown_url, take_bounded,
};
use tokio::runtime::Runtime;

use super::beside::EitherPlace;
use crate::{Deadline, Location, Progress, SyncError};

use buckets::Buckets;
use received::{KnownIndex, is_web_page, read_bounded, unpack};

/// Stores that can be told apart by the bits of a number.
const MAX_STORES: usize = 64;
/// Attempts at a store before the next is asked, where there is one.
const ATTEMPTS_BEFORE_FAILOVER: u32 = 2;
/// The catalog's kind of documents for indexes.
const INDEX_KIND: &str = "index";

/// What becomes of a folder that is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is taken as it is, and must be there.
    Existing,
    /// It becomes a store, if it is empty or not there.
    New,
    /// It becomes a store.
    NewAmongFiles,
}

impl Opening {
    /// A store that is made where there is none; `is_among_files`: in a folder with other files too.
    pub(crate) fn new(is_among_files: bool) -> Self {
        if is_among_files { Self::NewAmongFiles } else { Self::New }
    }
}

/// Threads that a run cannot do without: the network's two, one that fetches, and one that waits with it.
const THREADS: usize = 4;
/// No thread for what blocks ends before the run.
const KEPT_ALIVE: Duration = Duration::from_secs(1 << 30);

/// Everything that reads from hosts shares one of these: connections, counts, the threads that wait for the network.
pub struct Network {
    runtime: Runtime,
    client: Option<HttpClient>,
    options: HttpOptions,
    buckets: Buckets,
    policy: RetryPolicy,
    limits: ReaderLimits,
    meter: Arc<Meter>,
    /// What hosts without ranges sent.
    wholes: Arc<WholeObjects>,
    /// Indexes that were found elsewhere than they were asked for, by the URL that was asked for.
    found: BTreeMap<String, Route>,
}

impl Network {
    /// A network with these options; nothing is connected before it is needed.
    ///
    /// # Errors
    /// [`SyncError::Io`] where no thread can be started; [`SyncError::Store`] for bad options.
    pub fn new(options: HttpOptions, policy: RetryPolicy) -> Result<Self, SyncError> {
        check_threads(THREADS)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_keep_alive(KEPT_ALIVE)
            .enable_all()
            .build()
            .map_err(LocalError::Threads)?;
        // With one thread for what blocks, that work waits for it where no more can be started. Without, tokio would panic.
        runtime.spawn_blocking(|| ());
        let buckets = Buckets::new(BucketOptions { staging: "/tmp".into(), ..BucketOptions::default() });
        let (limits, meter) = (ReaderLimits::default(), Meter::new());
        let wholes = Arc::new(WholeObjects::new(buckets.staging().to_owned()));
        let found = BTreeMap::new();
        Ok(Self { runtime, client: None, options, buckets, policy, limits, meter, wholes, found })
    }

    /// The same network, which reaches buckets this way.
    #[must_use]
    pub fn with_buckets(self, buckets: BucketOptions) -> Self {
        self.wholes.lie_in(&buckets.staging, 0);
        Self { buckets: Buckets::new(buckets), ..self }
    }

    /// The same network, which takes indexes within these limits.
    #[must_use]
    pub fn with_limits(self, limits: ReaderLimits) -> Self {
        Self { limits, ..self }
    }

    /// What indexes may ask for.
    pub(crate) fn limits(&self) -> &ReaderLimits {
        &self.limits
    }

    /// A folder of this machine where files may wait.
    pub(crate) fn scratch(&self) -> &Path {
        self.buckets.staging()
    }

    /// What went over the wire so far: requests and bytes of bodies.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Where what must be read whole may lie, and how many bytes others will write on that disk.
    pub(crate) fn keep_whole_objects_in(&self, folder: &Path, reserved_bytes: u64) {
        self.wholes.lie_in(folder, reserved_bytes);
    }

    /// Passes on what users should know of hosts.
    pub(crate) fn warn_of_hosts(&self, progress: &dyn Progress) {
        self.wholes.take_notices().iter().for_each(|notice| progress.warn(notice));
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn client(&mut self) -> Result<HttpClient, SyncError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = HttpClient::new(self.options.clone())?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// A store to read from, with retries where it is remote.
    pub(crate) fn open_store(&mut self, location: &Location) -> Result<Arc<dyn ReadStore>, SyncError> {
        let policy = self.policy.clone();
        self.open_store_with(location, policy, true)
    }

    /// `is_alone`: no other store has the same objects.
    fn open_store_with(
        &mut self,
        location: &Location,
        policy: RetryPolicy,
        is_alone: bool,
    ) -> Result<Arc<dyn ReadStore>, SyncError> {
        match location {
            Location::Path(path) => Ok(Arc::new(open_folder(path)?)),
            Location::Url(url) => {
                let store = HttpStore::new(url, self.client()?, Arc::clone(&self.meter))?;
                let store = if is_alone { store } else { store.among_others() };
                Ok(Arc::new(self.patient(store, policy)))
            }
            Location::Bucket(url) => Ok(self.open_bucket(url, policy)?),
        }
    }

    fn patient(&self, store: HttpStore, policy: RetryPolicy) -> Retry<HttpStore> {
        Retry::new(store.with_whole_objects(Arc::clone(&self.wholes)), policy)
    }

    /// The store that an index at a URL names. Where a redirect led to the index, it is looked for beside where that was found
    /// first.
    fn open_beside(
        &mut self,
        asked: &Location,
        relative: &str,
        store: &Location,
    ) -> Result<Arc<dyn ReadStore>, SyncError> {
        let (Location::Url(asked), Location::Url(store)) = (asked, store) else { return self.open_store(store) };
        let route = self.found.get(asked).and_then(|route| {
            let Location::Url(beside) = Location::Url(route.url().to_owned()).beside(relative)? else { return None };
            route.beside(&beside).ok()
        });
        let Some(route) = route.filter(|route| route.url() != store) else {
            return self.open_store(&Location::Url(store.clone()));
        };
        let (client, meter) = (self.client()?, &self.meter);
        let asked = HttpStore::new(store, client.clone(), Arc::clone(meter))?;
        let found = HttpStore::at(route, client, Arc::clone(meter));
        let policy = || self.policy.clone();
        Ok(Arc::new(EitherPlace::new(self.patient(found, policy()), self.patient(asked, policy()))))
    }

    /// A place to read, list, write and prune.
    pub(crate) fn open_place(&mut self, location: &Location, opening: Opening) -> Result<Arc<dyn Store>, SyncError> {
        match (location, opening) {
            (Location::Path(path), Opening::Existing) => Ok(Arc::new(open_folder(path)?)),
            (Location::Path(path), Opening::New) => Ok(Arc::new(FolderStore::create(path.clone())?)),
            (Location::Path(path), Opening::NewAmongFiles) => {
                Ok(Arc::new(FolderStore::create_among_files(path.clone())?))
            }
            (Location::Url(_), _) => Err(SyncError::Usage(format!(
                "{location}: http(s):// is for reading; write to a folder, s3://, gs:// or az://"
            ))),
            (Location::Bucket(url), _) => self.open_bucket(url, self.policy.clone()),
        }
    }

    /// The place that an object lies in, and its name there.
    pub(crate) fn open_parent(&mut self, location: &Location) -> Result<(Arc<dyn Store>, String), SyncError> {
        if let Location::Url(_) = location {
            // For its error.
            self.open_place(location, Opening::Existing)?;
        }
        let refused = || SyncError::Usage(format!("{location}: is no name for an index; write it like app.rgx"));
        let (parent, name) = location.split_name().ok_or_else(refused)?;
        match parent {
            Location::Path(folder) => Ok((Arc::new(FolderStore::plain(folder)), name)),
            parent => Ok((self.open_place(&parent, Opening::Existing)?, name)),
        }
    }

    fn open_bucket(&mut self, url: &BucketUrl, policy: RetryPolicy) -> Result<Arc<dyn Store>, SyncError> {
        if let Some(known) = self.buckets.known(url, &policy) {
            return Ok(known);
        }
        let (client, meter) = (self.client()?, Arc::clone(&self.meter));
        let opening = self.buckets.open(url, client, meter, policy);
        self.runtime.block_on(Deadline::bound(self.policy.deadline, opening)).map_err(Into::into)
    }

    /// The index at `location`.
    pub(crate) fn load_index(&mut self, location: &Location) -> Result<Index, SyncError> {
        self.load_index_unless_known(location, None)
    }

    /// The indexes of images that may be like a new one; of a first release there are none yet.
    pub(crate) fn load_like(
        &mut self,
        locations: &[Location],
        progress: &dyn Progress,
    ) -> Result<Vec<Index>, SyncError> {
        let mut found = Vec::new();
        for location in locations {
            match self.load_index(location) {
                Ok(index) => found.push(index),
                Err(SyncError::Store(error)) if error.is_not_found() => {
                    progress.warn(&format!("--like: {error}; taken for a first release"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The index at `location`. What was fetched is remembered in the catalog with its version, so that it comes once.
    pub(crate) fn load_index_unless_known(
        &mut self,
        location: &Location,
        catalog: Option<&Catalog>,
    ) -> Result<Index, SyncError> {
        let bytes = match location {
            Location::Path(path) => read_bounded(path)?,
            remote => self.fetch_index(remote, catalog)?,
        };
        let index = Index::decode(&bytes).and_then(|index| index.check_limits(&self.limits).map(|()| index));
        index.map_err(|source| SyncError::Index { location: location.to_string(), source })
    }

    fn fetch_index(&mut self, location: &Location, catalog: Option<&Catalog>) -> Result<Bytes, SyncError> {
        // By all of it, query included: the same name may be another object for another user.
        let key = match location {
            Location::Url(url) => blake3::hash(url.as_bytes()).to_hex().to_string(),
            other => format!("{other} {}", self.buckets.endpoint().map(shown_url).unwrap_or_default()),
        };
        let known = catalog.and_then(|catalog| KnownIndex::decode(&catalog.get_document(INDEX_KIND, &key)?));
        let known = known.filter(|known| Index::decode(&known.bytes).is_ok());
        match (self.request_index(location, known.as_ref())?, known) {
            (Fetched::Same, Some(known)) => Ok(known.bytes),
            (Fetched::Same, None) => Err(StoreError::Protocol {
                object: location.to_string(),
                reason: "not modified, though nothing was known".to_owned(),
            }
            .into()),
            (Fetched::Body { bytes, version, packing }, known) => {
                let bytes = match packing {
                    Some(packing) => unpack(&bytes, packing, location)?,
                    None => bytes,
                };
                if is_web_page(&bytes) {
                    return Err(StoreError::WebPage { object: location.to_string() }.into());
                }
                // A tag that proves the bytes stays good where the host, or another one behind the name, left it out.
                let is_known = version.is_none() && known.is_some_and(|known| known.bytes == bytes);
                if let (Some(catalog), false, Ok(_)) = (catalog, is_known, Index::decode(&bytes)) {
                    let version = version.unwrap_or_default();
                    catalog.put_document(INDEX_KIND, &key, &KnownIndex { version, bytes: bytes.clone() }.encode());
                }
                Ok(bytes)
            }
        }
    }

    fn request_index(&mut self, location: &Location, known: Option<&KnownIndex>) -> Result<Fetched, SyncError> {
        if let Location::Url(url) = location {
            let client = self.client()?;
            let known = known.map(KnownIndex::as_object);
            let fetch = || client.fetch_url(url, known, MAX_INDEX_BYTES, &self.meter);
            let (fetched, route) = self.block_on(self.policy.run(fetch))?;
            match route {
                Some(route) => drop(self.found.insert(url.clone(), route)),
                None => drop(self.found.remove(url)),
            }
            return Ok(fetched);
        }
        let (place, name) = self.open_parent(location)?;
        let fetched = self.block_on(async {
            let download = match known.filter(|known| !known.version.is_empty()) {
                Some(known) => place.get_unless(&name, &known.version).await?,
                None => Some(place.get(&name, Span::Whole).await?),
            };
            let Some(download) = download else { return Ok(Fetched::Same) };
            let version = download.version.clone();
            let bytes = take_bounded(download, place.location(), &name, MAX_INDEX_BYTES).await?;
            Ok::<_, StoreError>(Fetched::Body { bytes, version, packing: None })
        })?;
        Ok(fetched)
    }

    /// Attempts at one of so many stores before the next is asked.
    fn attempts(&self, stores: usize) -> u32 {
        if stores > 1 { self.policy.attempts.min(ATTEMPTS_BEFORE_FAILOVER) } else { self.policy.attempts }
    }

    /// How often so many stores are asked in turn.
    pub(crate) fn rounds(&self, stores: usize) -> u32 {
        self.policy.attempts.div_ceil(self.attempts(stores).max(1)).max(1)
    }

    /// The stores of an index: those given, or the one that the index names.
    pub(crate) fn stores_of(
        &mut self,
        location: &Location,
        index: &Index,
        given: &[Location],
    ) -> Result<Vec<Arc<dyn ReadStore>>, SyncError> {
        if !given.is_empty() {
            if given.len() > MAX_STORES {
                return Err(SyncError::Usage(format!(
                    "{} stores: no more than {MAX_STORES} can be asked",
                    given.len()
                )));
            }
            // Of several, one that is not there is passed over when it is asked, and one that fails is not asked for long.
            let is_needed = given.len() == 1;
            let policy = RetryPolicy { attempts: self.attempts(given.len()), ..self.policy.clone() };
            let open = |store: &Location| match store {
                Location::Path(path) if !is_needed => {
                    Ok(Arc::new(FolderStore::new(path.clone())) as Arc<dyn ReadStore>)
                }
                store => self.open_store_with(store, policy.clone(), is_needed),
            };
            return given.iter().map(open).collect();
        }
        match location.beside(&index.store) {
            // Whether it is there shows when something is needed of it.
            Some(Location::Path(store)) => Ok(vec![Arc::new(FolderStore::new(store))]),
            Some(store) => Ok(vec![self.open_beside(location, &index.store, &store)?]),
            None => Ok(Vec::new()),
        }
    }
}

fn open_folder(path: &Path) -> Result<FolderStore, SyncError> {
    if !path.is_dir() {
        let reason = "no such folder; give the store with --store".to_owned();
        return Err(StoreError::Location { location: path.display().to_string(), reason }.into());
    }
    Ok(FolderStore::new(PathBuf::from(path)))
}
