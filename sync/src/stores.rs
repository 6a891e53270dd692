//! Opening stores and reading indexes from where they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_store::{FolderStore, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, Retry, RetryPolicy, StoreError};
use tokio::runtime::Runtime;

use crate::{Location, SyncError};

/// Everything that reads from hosts shares one of these: connections, counts, the threads that wait for the network.
pub struct Network {
    runtime: Runtime,
    client: Option<HttpClient>,
    options: HttpOptions,
    policy: RetryPolicy,
    meter: Arc<Meter>,
}

impl Network {
    /// A network with these options; nothing is connected before it is needed.
    ///
    /// # Errors
    /// [`SyncError::Io`] where no thread can be started; [`SyncError::Store`] for bad options.
    pub fn new(options: HttpOptions, policy: RetryPolicy) -> Result<Self, SyncError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .enable_all()
            .build()
            .map_err(SyncError::io("threads for the network"))?;
        let client = None;
        Ok(Self { runtime, client, options, policy, meter: Meter::new() })
    }

    /// What went over the wire so far: requests and bytes of bodies.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
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
        match location {
            Location::Path(path) => Ok(Arc::new(open_folder(path)?)),
            Location::Url(url) => {
                let store = HttpStore::new(url, self.client()?, Arc::clone(&self.meter))?;
                Ok(Arc::new(Retry::new(store, self.policy.clone())))
            }
        }
    }

    /// The index at `location`.
    pub(crate) fn load_index(&mut self, location: &Location) -> Result<Index, SyncError> {
        let bytes = match location {
            Location::Path(path) => read_bounded(path)?,
            Location::Url(url) => {
                let client = self.client()?;
                let fetch = || client.get_url(url, MAX_INDEX_BYTES, &self.meter);
                self.block_on(self.policy.run(fetch))?
            }
        };
        Index::decode(&bytes).map_err(|source| SyncError::Index { location: location.to_string(), source })
    }

    /// The stores of an index: those given, or the one that the index names.
    pub(crate) fn stores_of(
        &mut self,
        location: &Location,
        index: &Index,
        given: &[Location],
    ) -> Result<Vec<Arc<dyn ReadStore>>, SyncError> {
        if !given.is_empty() {
            // Of several, one that is not there is passed over when it is asked.
            let is_needed = given.len() == 1;
            let open = |store: &Location| match store {
                Location::Path(path) if !is_needed => {
                    Ok(Arc::new(FolderStore::new(path.clone())) as Arc<dyn ReadStore>)
                }
                store => self.open_store(store),
            };
            return given.iter().map(open).collect();
        }
        match location.beside(&index.store) {
            // Whether it is there shows when something is needed of it.
            Some(Location::Path(store)) => Ok(vec![Arc::new(FolderStore::new(store))]),
            Some(store) => Ok(vec![self.open_store(&store)?]),
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

/// Reads a file that is no longer than an index may be.
fn read_bounded(path: &Path) -> Result<Bytes, SyncError> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            StoreError::NotFound { object: path.display().to_string(), status: None }.into()
        }
        _ => SyncError::Io { path: path.to_owned(), source },
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_INDEX_BYTES + 1), &mut bytes).map_err(io)?;
    Ok(Bytes::from(bytes))
}
