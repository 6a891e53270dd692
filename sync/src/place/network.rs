//! Opens stores, and reads indexes from their places.

mod buckets;
mod front;
#[cfg(feature = "sources")]
mod images;
mod index;
mod received;
mod registries;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regrow_catalog::Catalog;
use regrow_chunker::ReaderLimits;
use regrow_index::Index;
use regrow_local::{LocalError, check_threads};
use regrow_store::{
    BucketOptions, BucketUrl, FolderStore, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, RegistryClient,
    RegistryOptions, RegistryStore, RegistryUrl, Retry, RetryPolicy, Rights, Route, Store, StoreError, WholeObjects,
};
use tokio::runtime::Runtime;

use super::beside::EitherPlace;
use crate::{Deadline, Location, Progress, SyncError};

use buckets::Buckets;
use registries::{Registries, With};

pub(crate) use front::{Front, HeadFirst, OpenHead};

/// The largest number of stores, which are told apart by the bits of a number.
const MAX_STORES: usize = 64;
/// The number of attempts at a store before the next one is asked, if there is one.
const ATTEMPTS_BEFORE_FAILOVER: u32 = 2;

/// The treatment of a folder that is not a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The folder is taken as it is, and must exist.
    Existing,
    /// The folder becomes a store, if it is empty or does not exist.
    New,
    /// The folder becomes a store, even if it holds other files.
    NewAmongFiles,
}

impl Opening {
    /// Makes a store where there is none. With `is_among_files`, the folder may hold other files.
    pub(crate) fn new(is_among_files: bool) -> Self {
        if is_among_files { Self::NewAmongFiles } else { Self::New }
    }
}

/// The number of threads that every run needs: two of the network, one that fetches, and one that waits with it.
const THREADS: usize = 4;
/// The time for which idle threads for blocking work are kept: longer than any run.
const KEPT_ALIVE: Duration = Duration::from_secs(1 << 30);

/// The connections, counts and waiting threads that everything shares that reads from hosts.
pub struct Network {
    runtime: Runtime,
    client: Option<HttpClient>,
    options: HttpOptions,
    buckets: Buckets,
    registries: Registries,
    policy: RetryPolicy,
    limits: ReaderLimits,
    meter: Arc<Meter>,
    /// The whole objects that hosts without ranges sent.
    wholes: Arc<WholeObjects>,
    /// The routes to indexes that were found elsewhere, by the URL that was asked for.
    found: BTreeMap<String, Route>,
}

impl Network {
    /// Makes a network with these options. Nothing is connected before it is needed. Temporary files of flows lie in
    /// `scratch`, a folder on this machine, unless they must lie beside an output.
    ///
    /// # Errors
    /// [`SyncError::Local`] if no thread can be started, and [`SyncError::Store`] for bad options.
    pub fn new(options: HttpOptions, policy: RetryPolicy, scratch: impl Into<PathBuf>) -> Result<Self, SyncError> {
        check_threads(THREADS)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_keep_alive(KEPT_ALIVE)
            .enable_all()
            .build()
            .map_err(LocalError::Threads)?;
        // With one thread for blocking work, further such work waits for it if no more threads can be started.
        // Without any thread, tokio would panic.
        runtime.spawn_blocking(|| ());
        let buckets = Buckets::new(BucketOptions { staging: scratch.into(), ..BucketOptions::default() });
        let (limits, meter) = (ReaderLimits::default(), Meter::new());
        let wholes = Arc::new(WholeObjects::new(buckets.staging().to_owned()));
        let found = BTreeMap::new();
        let registries = Registries::default();
        Ok(Self { runtime, client: None, options, buckets, registries, policy, limits, meter, wholes, found })
    }

    /// The same network, which reaches buckets in this way. Their files wait in the network's own folder.
    #[must_use]
    pub fn with_buckets(self, buckets: BucketOptions) -> Self {
        let staging = self.scratch().to_owned();
        Self { buckets: Buckets::new(BucketOptions { staging, ..buckets }), ..self }
    }

    /// The same network, which reaches registries in this way.
    #[must_use]
    pub fn with_registries(self, registries: RegistryOptions) -> Self {
        Self { registries: Registries::new(registries), ..self }
    }

    /// The same network, which accepts indexes within these limits.
    #[must_use]
    pub fn with_limits(self, limits: ReaderLimits) -> Self {
        Self { limits, ..self }
    }

    /// The limits for indexes.
    pub(crate) fn limits(&self) -> &ReaderLimits {
        &self.limits
    }

    /// A folder on this machine for temporary files.
    pub(crate) fn scratch(&self) -> &Path {
        self.buckets.staging()
    }

    /// The counts of requests and of body bytes so far.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Puts objects that must be read whole into this folder. Others will write `reserved_bytes` to its disk.
    pub(crate) fn keep_whole_objects_in(&self, folder: &Path, reserved_bytes: u64) {
        self.wholes.lie_in(folder, reserved_bytes);
    }

    /// Warns of the facts that users should know about hosts.
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

    /// Opens a store for reading. A remote store gets retries.
    pub(crate) fn open_store(&mut self, location: &Location) -> Result<Arc<dyn ReadStore>, SyncError> {
        let policy = self.policy.clone();
        self.open_store_with(location, policy, true)
    }

    /// Opens a store with this policy. `is_alone` says that no other store has the same objects.
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
            Location::Registry(url) => {
                let with = self.with(policy)?;
                Ok(self.registries.open(url, with)?)
            }
        }
    }

    fn patient(&self, store: HttpStore, policy: RetryPolicy) -> Retry<HttpStore> {
        Retry::new(store.with_whole_objects(Arc::clone(&self.wholes)), policy)
    }

    /// Opens the store that an index at a URL names. If a redirect led to the index, the store is first looked for
    /// beside the place where the index was found.
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

    /// Opens a place for reading, listing, writing and pruning.
    pub(crate) fn open_place(&mut self, location: &Location, opening: Opening) -> Result<Arc<dyn Store>, SyncError> {
        match (location, opening) {
            (Location::Path(path), Opening::Existing) => Ok(Arc::new(open_folder(path)?)),
            (Location::Path(path), Opening::New) => Ok(Arc::new(FolderStore::create(path.clone())?)),
            (Location::Path(path), Opening::NewAmongFiles) => {
                Ok(Arc::new(FolderStore::create_among_files(path.clone())?))
            }
            (Location::Url(_), _) => Err(SyncError::Usage(format!(
                "{location}: http(s):// is for reading; write to a folder, s3://, gs://, az:// or oci://"
            ))),
            (Location::Registry(url), _) => {
                let with = self.with(self.policy.clone())?;
                Ok(self.registries.open_store(url, with)?)
            }
            (Location::Bucket(url), _) => self.open_bucket(url, self.policy.clone()),
        }
    }

    /// The place in which an object lies, and its name there.
    pub(crate) fn open_parent(&mut self, location: &Location) -> Result<(Arc<dyn Store>, String), SyncError> {
        if let Location::Url(_) = location {
            // This call gives the error for a URL.
            self.open_place(location, Opening::Existing)?;
        }
        if let Location::Registry(url) = location {
            let name = RegistryStore::index_name(&url.reference_or_default());
            return Ok((self.open_place(location, Opening::Existing)?, name));
        }
        let refused = || SyncError::Usage(format!("{location}: is not a name for an index; write it like app.rgx"));
        let (parent, name) = location.split_name().ok_or_else(refused)?;
        match parent {
            Location::Path(folder) => Ok((Arc::new(FolderStore::plain(folder)), name)),
            parent => Ok((self.open_place(&parent, Opening::Existing)?, name)),
        }
    }

    /// The place in which an index lies that will only be read, and its name there.
    fn open_index(&mut self, location: &Location) -> Result<(Arc<dyn ReadStore>, String), SyncError> {
        if let Location::Registry(url) = location {
            let name = RegistryStore::index_name(&url.reference_or_default());
            return Ok((self.open_store(&Location::Registry(url.without_reference()))?, name));
        }
        let (place, name) = self.open_parent(location)?;
        Ok((place, name))
    }

    /// Makes a client of a registry's repository, for everything but stores. It shares the connections and the counts of
    /// this network.
    ///
    /// # Errors
    /// [`SyncError::Store`] for options of the network that cannot be used.
    pub fn open_registry(&mut self, url: &RegistryUrl, rights: Rights) -> Result<RegistryClient, SyncError> {
        let client = self.client()?;
        Ok(RegistryClient::new(url, rights, self.registries.options(), client, Arc::clone(&self.meter))?)
    }

    fn with(&mut self, policy: RetryPolicy) -> Result<With, SyncError> {
        let (client, staging) = (self.client()?, self.scratch().to_owned());
        Ok(With { client, meter: Arc::clone(&self.meter), policy, wholes: Arc::clone(&self.wholes), staging })
    }

    /// Logs in at a registry as the catalog remembers it, so that no request is refused first.
    fn recall_login(&mut self, location: &Location, catalog: Option<&Catalog>) -> Result<(), SyncError> {
        let (Location::Registry(url), Some(catalog)) = (location, catalog) else { return Ok(()) };
        let with = self.with(self.policy.clone())?;
        Ok(self.registries.recall(url, with, catalog)?)
    }

    /// Keeps in the catalog how a registry wants its clients to log in.
    fn keep_login(&self, location: &Location, catalog: Option<&Catalog>) {
        if let (Location::Registry(url), Some(catalog)) = (location, catalog) {
            self.registries.keep(url, catalog);
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

    /// The number of attempts at one of this many stores before the next one is asked.
    fn attempts(&self, stores: usize) -> u32 {
        if stores > 1 { self.policy.attempts.min(ATTEMPTS_BEFORE_FAILOVER) } else { self.policy.attempts }
    }

    /// The number of rounds in which this many stores are asked in turn.
    pub(crate) fn rounds(&self, stores: usize) -> u32 {
        self.policy.attempts.div_ceil(self.attempts(stores).max(1)).max(1)
    }

    /// The stores of an index: the given ones, or the one that the index names.
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
            // One of several stores that does not exist is passed over when it is asked, and one that fails is soon
            // left.
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
            // A missing store shows when some object of it is needed.
            Some(Location::Path(store)) => Ok(vec![Arc::new(FolderStore::new(store))]),
            Some(store) => Ok(vec![self.open_beside(location, &index.store, &store)?]),
            None => Ok(Vec::new()),
        }
    }
}

fn open_folder(path: &Path) -> Result<FolderStore, SyncError> {
    if !path.is_dir() {
        return Err(StoreError::NoFolder { path: path.to_owned() }.into());
    }
    Ok(FolderStore::new(PathBuf::from(path)))
}
