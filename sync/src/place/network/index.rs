//! Reads whole indexes from their places, and remembers in the catalog those that were fetched.

use bytes::Bytes;
use regrow_catalog::Catalog;
use regrow_index::{Index, IndexError, MAGIC, MAX_INDEX_BYTES, VERSION_2};
use regrow_store::{Fetched, Packing, Span, StoreError, shown_url, take_bounded};

use super::Network;
use super::received::{KnownIndex, is_web_page, read_bounded, unpack};
use crate::{Location, Progress, SyncError};

/// The kind of the catalog's documents for indexes. A document is a whole index, or the head of one.
const INDEX_KIND: &str = "index";
/// The kind of the documents for folders: the version of the last index that came from there, a `u32`.
const VERSION_KIND: &str = "index version";

/// The place in the catalog for the index at a location.
pub(super) struct Memory<'a> {
    catalog: Option<&'a Catalog>,
    key: String,
    folder: String,
}

impl Memory<'_> {
    /// The index, or the head of one, that was last fetched. Its bytes were not decoded yet.
    pub(super) fn recall(&self) -> Option<KnownIndex> {
        KnownIndex::decode(&self.catalog?.get_document(INDEX_KIND, &self.key)?)
    }

    /// Whether the last index that came from the same folder has version 2, of which the head can come alone. `None`
    /// means that none came yet.
    pub(super) fn expects_version_2(&self) -> Option<bool> {
        self.version().map(|known| known == VERSION_2.to_le_bytes())
    }

    fn version(&self) -> Option<Vec<u8>> {
        self.catalog?.get_document(VERSION_KIND, &self.folder)
    }

    /// Keeps an index, or the head of one, with its version.
    pub(super) fn keep(&self, version: Option<String>, bytes: Bytes) {
        if let Some(catalog) = self.catalog {
            let format = bytes.get(MAGIC.len()..MAGIC.len() + 4).unwrap_or_default();
            if self.version().is_none_or(|known| known != format) {
                catalog.put_document(VERSION_KIND, &self.folder, format);
            }
            let version = version.unwrap_or_default();
            catalog.put_document(INDEX_KIND, &self.key, &KnownIndex { version, bytes }.encode());
        }
    }
}

impl Network {
    /// Reads the index at `location`.
    pub(crate) fn load_index(&mut self, location: &Location) -> Result<Index, SyncError> {
        self.load_index_unless_known(location, None)
    }

    /// Reads the indexes of images that may be similar to a new one. For a first release, there are none yet.
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
                    progress.warn(&format!("{error}; this is taken for a first release"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Reads the index at `location`. A fetched index is kept in the catalog with its version, so that it is
    /// fetched only once.
    pub(crate) fn load_index_unless_known(
        &mut self,
        location: &Location,
        catalog: Option<&Catalog>,
    ) -> Result<Index, SyncError> {
        let bytes = match location {
            Location::Path(path) => read_bounded(path)?,
            remote => self.fetch_index(remote, catalog)?,
        };
        self.decode_index(location, &bytes)
    }

    fn fetch_index(&mut self, location: &Location, catalog: Option<&Catalog>) -> Result<Bytes, SyncError> {
        let memory = self.memory_of(location, catalog);
        let known = memory.recall().filter(|known| Index::decode(&known.bytes).is_ok());
        self.recall_login(location, catalog)?;
        let fetched = self.request_small(location, known.as_ref(), MAX_INDEX_BYTES);
        self.keep_login(location, catalog);
        match (fetched?, known) {
            (Fetched::Same, Some(known)) => Ok(known.bytes),
            (Fetched::Same, None) => Err(not_modified(location)),
            (Fetched::Body { bytes, version, packing }, known) => {
                let bytes = plain(bytes, packing, location)?;
                // A tag that proves the bytes stays good, even if the host, or another one behind the same name,
                // now left it out.
                let is_known = version.is_none() && known.is_some_and(|known| known.bytes == bytes);
                if !is_known && Index::decode(&bytes).is_ok() {
                    memory.keep(version, bytes.clone());
                }
                Ok(bytes)
            }
        }
    }

    /// The place in the catalog for the index at this location.
    pub(super) fn memory_of<'a>(&self, location: &Location, catalog: Option<&'a Catalog>) -> Memory<'a> {
        // The key covers the whole URL, query included, since the same name may be another object for another user.
        let key = |place: &str| match location {
            Location::Url(_) => blake3::hash(place.as_bytes()).to_hex().to_string(),
            _ => format!("{place} {}", self.buckets.endpoint().map(shown_url).unwrap_or_default()),
        };
        let whole = match location {
            Location::Url(url) => url.clone(),
            other => other.to_string(),
        };
        let folder =
            whole.split(['?', '#']).next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        Memory { catalog, key: key(&whole), folder: key(folder) }
    }

    /// Fetches a whole object of at most this many bytes that is no index.
    pub(crate) fn fetch_small(&mut self, location: &Location, max_bytes: u64) -> Result<Bytes, SyncError> {
        match self.request_small(location, None, max_bytes)? {
            Fetched::Same => Err(not_modified(location)),
            Fetched::Body { bytes, packing, .. } => Ok(plain(bytes, packing, location)?),
        }
    }

    /// Fetches a whole object, unless it is the one that is known.
    fn request_small(
        &mut self,
        location: &Location,
        known: Option<&KnownIndex>,
        max_bytes: u64,
    ) -> Result<Fetched, SyncError> {
        if let Location::Url(url) = location {
            let client = self.client()?;
            let known = || known.map(KnownIndex::as_object);
            let fetch = || client.fetch_url(url, known(), max_bytes, &self.meter);
            let (fetched, route) = self.block_on(self.policy.run(fetch))?;
            match route {
                Some(route) => drop(self.found.insert(url.clone(), route)),
                None => drop(self.found.remove(url)),
            }
            return Ok(fetched);
        }
        let (place, name) = self.open_index(location)?;
        let fetched = self.block_on(async {
            let download = match known.filter(|known| !known.version.is_empty()) {
                Some(known) => place.get_unless(&name, Span::Whole, &known.version).await?,
                None => Some(place.get(&name, Span::Whole).await?),
            };
            let Some(download) = download else { return Ok(Fetched::Same) };
            let version = download.version.clone();
            let bytes = take_bounded(download, place.location(), &name, max_bytes).await?;
            Ok::<_, StoreError>(Fetched::Body { bytes, version, packing: None })
        })?;
        Ok(fetched)
    }

    /// Decodes a whole index, and checks that its reader wants it.
    pub(crate) fn decode_index(&self, location: &Location, bytes: &[u8]) -> Result<Index, SyncError> {
        let index = Index::decode(bytes).and_then(|index| index.check_limits(&self.limits).map(|()| index));
        index.map_err(wrong(location))
    }
}

/// Makes the error for the object at `location` that should be an index.
pub(super) fn wrong(location: &Location) -> impl Fn(IndexError) -> SyncError + use<> {
    let location = location.to_string();
    move |source| SyncError::Index { location: location.clone(), source }
}

/// The error for a host that says that an object has not changed, though it was asked without a condition.
pub(super) fn not_modified(location: &Location) -> SyncError {
    let reason = "not modified, though nothing was known".to_owned();
    StoreError::Protocol { object: location.to_string(), reason }.into()
}

/// The plain bytes of a whole object that should be an index.
pub(super) fn plain(bytes: Bytes, packing: Option<Packing>, location: &Location) -> Result<Bytes, StoreError> {
    let bytes = match packing {
        Some(packing) => unpack(&bytes, packing, location)?,
        None => bytes,
    };
    if is_web_page(&bytes) {
        return Err(StoreError::WebPage { object: location.to_string() });
    }
    Ok(bytes)
}
