//! Reads the indexes that lie around a store and beside a new index.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{self, StreamExt};
use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_store::{Depth, FolderStore, Store, StoreError, read_small};

use super::names::{natural, unversioned};
use crate::place::index_file::is_index_name;
use crate::place::network::Opening;
use crate::{Location, Network, Progress, SyncError};

/// The most indexes that are read for comparing images, the newest ones.
const MOST_COMPARED: usize = 256;
/// The most indexes that are read for the last releases, the newest ones.
const MOST_NEWEST: usize = 64;
/// Of the other indexes, the number of releases that are read because their names have the largest numbers. The time of
/// an old index may be newer than theirs, since indexes are rewritten when they are signed, and when packs are.
const MOST_BY_NAME: usize = 16;
/// The most bytes of indexes that are read.
const MOST_BYTES: u64 = 64 << 20;
/// The number of requests at a time.
const IN_FLIGHT: usize = 16;

/// An index that was found.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    pub(super) location: Location,
    pub(super) name: String,
    pub(super) modified: SystemTime,
    pub(super) index: Index,
}

/// An index as a list shows it.
struct Listed {
    place: Arc<dyn Store>,
    folder: Location,
    name: String,
    modified: SystemTime,
    bytes: u64,
}

/// Reads the indexes beside the store and beside the new index, the newest first: those among which the last releases
/// are, or more, so that images can be compared. An image may have several. Those that cannot be read are passed over
/// with one warning, and so are places that cannot be listed.
pub(super) fn indexes_around(
    store: &Location,
    index: &Location,
    are_compared: bool,
    network: &mut Network,
    progress: &dyn Progress,
) -> Vec<Neighbour> {
    let mut listed = Vec::new();
    let mut failures = Failures::default();
    for place in places(store, index) {
        let found = match &place {
            Location::Path(folder) => list_folder(folder, &mut failures),
            bucket => list_bucket(bucket, network),
        };
        match found {
            Ok(found) => listed.extend(found),
            Err(error) => failures.add(&error),
        }
    }
    // Equal times are ordered by name, so that the same store always gives the same order.
    listed.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
    let mut room = MOST_BYTES;
    // One that is too large keeps no smaller one out.
    listed.retain(|found| room.checked_sub(found.bytes).map(|left| room = left).is_some());
    let name = index.split_name().map_or_else(String::new, |(_, name)| name);
    choose(&mut listed, &name, if are_compared { MOST_COMPARED } else { MOST_NEWEST });
    let read = network.block_on(async {
        let reading = listed.iter().map(|found| read_small(&*found.place, &found.name, MAX_INDEX_BYTES));
        stream::iter(reading).buffered(IN_FLIGHT).collect::<Vec<_>>().await
    });
    let mut neighbours = Vec::new();
    for (found, read) in listed.into_iter().zip(read) {
        let location = found.folder.child(&found.name);
        let index = match read {
            Ok(Some((bytes, _))) => network.decode_index(&location, &bytes),
            // It went away meanwhile.
            Ok(None) => continue,
            Err(error) => Err(error.into()),
        };
        match index {
            Ok(index) => neighbours.push(Neighbour { location, name: found.name, modified: found.modified, index }),
            Err(error) => failures.add(&error),
        }
    }
    failures.warn(progress);
    neighbours
}

/// Keeps the first indexes, this many, and the last releases by their names. The order stays.
fn choose(listed: &mut Vec<Listed>, new: &str, most: usize) {
    let words = unversioned(new);
    let mut others: Vec<usize> = (most.min(listed.len())..listed.len()).collect();
    others.retain(|&other| unversioned(&listed[other].name) == words);
    others.sort_by_cached_key(|&other| Reverse(natural(&listed[other].name)));
    others.truncate(MOST_BY_NAME);
    let others: BTreeSet<usize> = others.into_iter().collect();
    let mut position = 0..;
    listed.retain(|_| position.next().is_some_and(|position| position < most || others.contains(&position)));
}

/// The places where indexes lie by convention, each once.
fn places(store: &Location, index: &Location) -> Vec<Location> {
    let around = [index, store].map(Location::surroundings);
    let listable = around.into_iter().filter(|place| !matches!(place, Location::Url(_)));
    let places: BTreeMap<String, Location> = listable
        .map(|place| match &place {
            Location::Path(folder) => {
                let key = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                (key.display().to_string(), place)
            }
            other => (other.to_string(), place),
        })
        .collect();
    places.into_values().collect()
}

/// The indexes in a folder. A link that leads nowhere hides no other file.
fn list_folder(folder: &Path, failures: &mut Failures) -> Result<Vec<Listed>, SyncError> {
    let place: Arc<dyn Store> = Arc::new(FolderStore::plain(folder.to_owned()));
    let mut listed = Vec::new();
    for entry in folder.read_dir().map_err(SyncError::io(folder))? {
        let entry = entry.map_err(SyncError::io(folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_index_name(&name) {
            continue;
        }
        let found =
            entry.path().metadata().and_then(|metadata| Ok((metadata.is_file(), metadata.len(), metadata.modified()?)));
        match found {
            Ok((true, bytes, modified)) if bytes <= MAX_INDEX_BYTES => {
                let (place, folder) = (Arc::clone(&place), Location::Path(folder.to_owned()));
                listed.push(Listed { place, folder, name, modified, bytes });
            }
            Ok(_) => {}
            Err(error) => failures.add(&SyncError::io(entry.path())(error)),
        }
    }
    Ok(listed)
}

fn list_bucket(bucket: &Location, network: &mut Network) -> Result<Vec<Listed>, SyncError> {
    let place = network.open_place(bucket, Opening::Existing)?;
    let found = network.block_on(async {
        let mut found = Vec::new();
        let mut objects = place.list("", Depth::Folder);
        while let Some(object) = objects.next().await {
            let object = object?;
            if is_index_name(&object.name) && object.bytes <= MAX_INDEX_BYTES && !object.is_archived {
                found.push(object);
            }
        }
        Ok::<_, StoreError>(found)
    })?;
    let listed = found.into_iter().map(|object| Listed {
        place: Arc::clone(&place),
        folder: bucket.clone(),
        name: object.name,
        modified: object.modified,
        bytes: object.bytes,
    });
    Ok(listed.collect())
}

/// What could not be read.
#[derive(Default)]
pub(super) struct Failures {
    first: Option<String>,
    others: usize,
}

impl Failures {
    pub(super) fn add(&mut self, error: &SyncError) {
        match self.first {
            None => self.first = Some(error.to_string()),
            Some(_) => self.others += 1,
        }
    }

    pub(super) fn warn(self, progress: &dyn Progress) {
        let Some(first) = self.first else { return };
        let others = match self.others {
            0 => String::new(),
            1 => ", and another one".to_owned(),
            others => format!(", and {others} others"),
        };
        progress.warn(&format!("{first}{others}: passed over in the search for images to make patches from"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn few_of_many_indexes_are_read() {
        let folder = Path::new("/nowhere");
        let listed = |(second, name): (u64, String)| Listed {
            place: Arc::new(FolderStore::plain(folder.to_owned())),
            folder: Location::Path(folder.to_owned()),
            name,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            bytes: 1000,
        };
        // Of 1,000 releases, the first 100 were rewritten last. The others are older, and so are images of other names.
        let time = |number: u64| if number <= 100 { 5000 + number } else { number };
        let apps = (1..=1000).map(|number| (time(number), format!("app-{number}.rgx")));
        let mut all: Vec<Listed> = apps.chain((1..=50).map(|n| (0, format!("web-{n}000.rgx")))).map(listed).collect();
        all.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        choose(&mut all, "app-1001.rgx", MOST_NEWEST);
        let names: Vec<String> = all.into_iter().map(|found| found.name).collect();
        let expected = (37..=100).rev().chain((985..=1000).rev()).map(|number| format!("app-{number}.rgx"));
        assert_eq!(names, expected.collect::<Vec<_>>());
    }
}
