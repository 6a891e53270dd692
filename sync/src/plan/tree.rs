//! The entries of an image, read from a store through its index and its skeleton, for info and diff.

use std::collections::HashMap;
use std::path::Path;

use regrow_chunker::Digest;
use regrow_image::TreeEntry;
use regrow_local::Pool;

use crate::{Location, Network, Progress};

/// The things that are needed to read an image from a store.
pub(crate) struct Reading<'a> {
    pub(crate) stores: &'a [Location],
    pub(crate) network: &'a mut Network,
    pub(crate) pool: &'a Pool,
    pub(crate) scratch: &'a Path,
    pub(crate) progress: &'a dyn Progress,
}

/// Paths in reports are cut to this many bytes. No file system takes longer ones, but each entry of a tar may have a
/// path of a megabyte.
const SHOWN_PATH_BYTES: usize = 4 << 10;

/// The path of a tar entry, with `!` between nested archives. It is untrusted text, so a caller that prints it must
/// clean it first.
pub(crate) fn path_of(entry: &TreeEntry) -> String {
    show(archives_of(entry).chain(entry.path.as_deref()))
}

/// The path of the archive that contains an entry. It is empty for the image itself.
pub(crate) fn archive_of(entry: &TreeEntry) -> String {
    show(archives_of(entry))
}

/// The path of an entry within its archive.
pub(crate) fn own_path_of(entry: &TreeEntry) -> String {
    show(entry.path.as_deref().into_iter())
}

fn archives_of(entry: &TreeEntry) -> impl Iterator<Item = &[u8]> {
    entry.archive.iter().flat_map(|archive| archive.paths())
}

fn show<'p>(path: impl Iterator<Item = &'p [u8]>) -> String {
    let (mut shown, mut is_cut) = (Vec::new(), false);
    for (number, part) in path.enumerate() {
        let separator: &[u8] = if number > 0 { b"!" } else { b"" };
        for bytes in [separator, part] {
            let now = bytes.len().min(SHOWN_PATH_BYTES - shown.len());
            shown.extend_from_slice(&bytes[..now]);
            is_cut |= now < bytes.len();
        }
    }
    let mut shown = String::from_utf8_lossy(&shown).into_owned();
    if is_cut {
        shown.push('…');
    }
    shown
}

/// The numbers of archives, in the order in which an image's entries name them.
#[derive(Default)]
pub(crate) struct ArchiveNumbers(HashMap<Option<Digest>, usize>);

impl ArchiveNumbers {
    /// The number of the archive that contains an entry. A new archive gets the number of archives seen before.
    pub(crate) fn of(&mut self, entry: &TreeEntry) -> usize {
        let next = self.0.len();
        *self.0.entry(entry.archive.as_ref().map(|archive| archive.id)).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regrow_image::Archive;

    use super::*;

    #[test]
    fn long_paths_are_cut() {
        let outer = Arc::new(Archive::new(None, b"outer".to_vec()));
        let archive = Arc::new(Archive::new(Some(outer), vec![b'x'; 1 << 20]));
        let mut entry = TreeEntry {
            archive: Some(archive),
            path: Some(b"file".to_vec()),
            type_flag: b'0',
            contents: 0..1,
            skeleton_bytes: 512,
            stated: Default::default(),
            is_coded: false,
        };
        assert!(path_of(&entry).starts_with("outer!xxx") && path_of(&entry).ends_with("x…"));
        assert!(path_of(&entry).len() < SHOWN_PATH_BYTES + 8);
        entry.archive = None;
        assert_eq!((path_of(&entry), archive_of(&entry)), ("file".to_owned(), String::new()));
    }
}
