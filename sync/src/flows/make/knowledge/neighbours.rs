//! Reads the indexes beside a new one whose images are likely to be similar: the last releases of the same image, and the
//! last indexes of all.

use std::cmp::Reverse;
use std::time::SystemTime;

use futures::stream::{self, StreamExt};
use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_store::{Depth, StoreError, read_small};

use super::{Beside, IN_FLIGHT};
use crate::flows::bases::unversioned;
use crate::place::index_file::is_index_name;

/// The most earlier releases that are read.
const RELEASES: usize = 4;
/// The number of newest indexes that are read. Images of other names may have been made with the same new parts.
const NEWEST: usize = 4;

/// An index beside the new one.
pub(super) struct Neighbour {
    /// Whether it has the name of the new index but for its version.
    pub(super) is_release: bool,
    pub(super) modified: SystemTime,
    pub(super) index: Index,
}

/// Reads the index of the same name, and the newest others: first the releases of the image. An index that cannot be
/// read is skipped, and so are all of them where they may not be listed, since they would only have helped.
pub(super) async fn read(beside: &Beside<'_>) -> Vec<Neighbour> {
    let chosen = choose(list(beside).await.unwrap_or_default(), beside.name);
    let reading = chosen.iter().map(|(_, _, name)| read_small(beside.place, name, MAX_INDEX_BYTES));
    let read = stream::iter(reading).buffered(IN_FLIGHT).collect::<Vec<_>>().await;
    let neighbours = chosen.iter().zip(read).filter_map(|((is_release, modified, _), read)| {
        let index = Index::decode(&read.ok()??.0).ok()?;
        Some(Neighbour { is_release: *is_release, modified: *modified, index })
    });
    neighbours.collect()
}

async fn list(beside: &Beside<'_>) -> Result<Vec<(SystemTime, String)>, StoreError> {
    let mut found = Vec::new();
    let mut listed = beside.place.list("", Depth::Folder);
    while let Some(info) = listed.next().await {
        let info = info?;
        if is_index_name(&info.name) && info.bytes <= MAX_INDEX_BYTES {
            found.push((info.modified, info.name));
        }
    }
    Ok(found)
}

/// The listed indexes that are worth reading, and whether each is a release of the image.
fn choose(listed: Vec<(SystemTime, String)>, new: &str) -> Vec<(bool, SystemTime, String)> {
    let words = unversioned(new);
    let release = |(modified, name): (SystemTime, String)| (unversioned(&name) == words, modified, name);
    let mut listed: Vec<_> = listed.into_iter().map(release).collect();
    listed.sort_unstable_by_key(|(_, modified, name)| Reverse((name == new, *modified, name.clone())));
    let mut releases = 0;
    let mut chosen = Vec::new();
    for (position, found) in listed.into_iter().enumerate() {
        let is_wanted_release = found.0 && releases < RELEASES;
        if is_wanted_release || position < NEWEST {
            releases += usize::from(found.0);
            chosen.push(found);
        }
    }
    chosen.sort_by_key(|(is_release, ..)| !is_release);
    chosen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_releases_and_the_newest_indexes_are_chosen() {
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let apps = (0..1000).map(|number| (at(number), format!("app-{number}.rgx")));
        let others = (0..10).map(|number| (at(2000 + number), format!("web-{number}.rgx")));
        let listed: Vec<_> = apps.chain(others).collect();
        let names = |new: &str| -> Vec<String> {
            choose(listed.clone(), new).into_iter().map(|(_, _, name)| name.replace(".rgx", "")).collect()
        };
        let newest = ["web-9", "web-8", "web-7", "web-6"];
        assert_eq!(names("app-1000.rgx"), [&["app-999", "app-998", "app-997", "app-996"], &newest[..]].concat());
        assert_eq!(names("app-3.rgx")[..4], ["app-3", "app-999", "app-998", "app-997"]);
        assert_eq!(names("web-10.rgx"), newest);
        assert_eq!(names("db.rgx"), newest);
    }
}
