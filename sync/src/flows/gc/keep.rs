//! The indexes that are kept, and the packs that they need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use regrow_chunker::{ImageId, PackId};
use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_store::{Depth, FolderStore, Span, Store, StoreError, take_bounded};

use super::GcOptions;
use crate::place::index_file::is_index_name;
use crate::place::network::Opening;
use crate::{Location, Network, SyncError};

/// The number of requests at a time.
pub(super) const IN_FLIGHT: usize = 16;

/// A source of indexes to keep.
enum Source {
    /// All indexes of a place, at any depth.
    Tree(Arc<dyn Store>),
    /// One index.
    One(Arc<dyn Store>, String),
    /// One index in a place that can only be read. It was read at the start.
    Read(String, Box<Index>),
}

/// The indexes to keep.
pub(super) struct Keep {
    sources: Vec<Source>,
    shown: Vec<String>,
}

/// A kept index in a place.
#[derive(Clone)]
pub(super) struct KeptIndex {
    pub(super) place: Arc<dyn Store>,
    pub(super) name: String,
}

/// The state of an index, as far as a list shows it.
type Seen = (u64, Option<SystemTime>);

/// The needs of the kept indexes.
#[derive(Default)]
pub(super) struct Needs {
    /// The needed packs, each with the name of an index that needs it.
    pub(super) packs: BTreeMap<PackId, String>,
    pub(super) images: BTreeSet<ImageId>,
    seen: BTreeMap<String, Seen>,
}

impl Needs {
    pub(super) fn indexes(&self) -> usize {
        self.seen.len()
    }

    fn add(&mut self, name: &str, index: &Index) {
        self.images.insert(index.image_id());
        for pack in &index.packs {
            self.packs.entry(pack.id).or_insert_with(|| name.to_owned());
        }
    }
}

impl Keep {
    pub(super) fn open(options: &GcOptions, network: &mut Network) -> Result<Self, SyncError> {
        let given = match options.keep.as_slice() {
            [] => vec![options.store.surroundings()],
            given => given.to_vec(),
        };
        let sources = given.iter().map(|location| source(location, network)).collect::<Result<_, _>>()?;
        Ok(Self { sources, shown: given.iter().map(ToString::to_string).collect() })
    }

    /// The places, for people.
    pub(super) fn shown(&self) -> String {
        self.shown.join(", ")
    }

    /// Reads the indexes that are new, or that have changed since `needs` were read. Earlier needs stay: an index
    /// that goes away meanwhile costs nothing but time.
    pub(super) async fn read(&self, mut needs: Needs) -> Result<Needs, SyncError> {
        for source in &self.sources {
            if let Source::Read(name, index) = source {
                needs.seen.insert(name.clone(), (0, None));
                needs.add(name, index);
            }
        }
        let mut unread = Vec::new();
        for (index, seen) in self.list().await? {
            let shown = index.shown();
            if needs.seen.get(&shown) != Some(&seen) {
                needs.seen.insert(shown, seen);
                unread.push(index);
            }
        }
        let mut reading = stream::iter(unread).map(|index| index.read()).buffer_unordered(IN_FLIGHT);
        while let Some((shown, found)) = reading.try_next().await? {
            match found {
                Some(index) => needs.add(&shown, &index),
                // The index went away since it was listed.
                None => drop(needs.seen.remove(&shown)),
            }
        }
        Ok(needs)
    }

    /// Lists all indexes that can be listed, each once.
    pub(super) async fn list(&self) -> Result<Vec<(KeptIndex, Seen)>, SyncError> {
        let mut found = BTreeMap::new();
        for source in &self.sources {
            match source {
                Source::Read(..) => {}
                Source::One(place, name) => {
                    let info = place.stat(name).await?;
                    let absent = || StoreError::NotFound { object: shown(&**place, name), status: None };
                    let info = info.ok_or_else(absent)?;
                    let index = KeptIndex { place: Arc::clone(place), name: name.clone() };
                    found.insert(index.shown(), (index, (info.bytes, Some(info.modified))));
                }
                Source::Tree(place) => {
                    let mut is_empty = true;
                    let mut listed = place.list("", Depth::Tree);
                    while let Some(info) = listed.try_next().await? {
                        if is_index_name(&info.name) {
                            is_empty = false;
                            let index = KeptIndex { place: Arc::clone(place), name: info.name };
                            found.insert(index.shown(), (index, (info.bytes, Some(info.modified))));
                        }
                    }
                    // This is most likely a typing mistake, and the packs that it should have kept would be lost.
                    if is_empty {
                        return Err(SyncError::NothingKept { place: place.location().to_owned() });
                    }
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

impl KeptIndex {
    /// The index's place and name, for people.
    pub(super) fn shown(&self) -> String {
        shown(&*self.place, &self.name)
    }

    /// Reads the index. The result is `None` if it is gone.
    async fn read(self) -> Result<(String, Option<Index>), SyncError> {
        let index = match self.read_bytes().await? {
            Some((bytes, _)) => Some(self.decode(&bytes)?),
            None => None,
        };
        Ok((self.shown(), index))
    }

    /// Reads the index's bytes and version. The result is `None` if it is gone. A listed index that may not be read
    /// does not count as gone, since the packs that it needs would be deleted. Hosts answer 403 in both cases.
    pub(super) async fn read_bytes(&self) -> Result<Option<(Bytes, Option<String>)>, StoreError> {
        let download = match self.place.get(&self.name, Span::Whole).await {
            Ok(download) => download,
            Err(StoreError::NotFound { status: None | Some(404 | 410), .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = download.version.clone();
        let bytes = take_bounded(download, self.place.location(), &self.name, MAX_INDEX_BYTES).await?;
        Ok(Some((bytes, version)))
    }

    /// Decodes bytes of this index.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Index, SyncError> {
        Index::decode(bytes).map_err(|source| SyncError::Index { location: self.shown(), source })
    }
}

fn shown(place: &dyn Store, name: &str) -> String {
    format!("{}/{name}", place.location())
}

/// The source of a location whose indexes are kept. An object that exists is an index, whatever its name; anything
/// else is a place with indexes.
fn source(location: &Location, network: &mut Network) -> Result<Source, SyncError> {
    if let Location::Url(_) = location {
        return Ok(Source::Read(location.to_string(), Box::new(network.load_index(location)?)));
    }
    let is_folder = matches!(location, Location::Path(path) if path.is_dir());
    if !is_folder && location.split_name().is_some() {
        let (place, name) = network.open_parent(location)?;
        if is_index_name(&name) || network.block_on(place.stat(&name))?.is_some() {
            return Ok(Source::One(place, name));
        }
    }
    match location {
        Location::Path(path) if is_folder => Ok(Source::Tree(Arc::new(FolderStore::plain(path.clone())))),
        location => Ok(Source::Tree(network.open_place(location, Opening::Existing)?)),
    }
}
