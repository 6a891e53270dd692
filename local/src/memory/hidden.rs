//! Which files of an image's layers are not there once it is unpacked, because later entries took their places or removed
//! them.

use std::collections::{BTreeMap, HashSet};

use regrow_paths::MAX_LINKS;

use super::entries::{EntryKind, FoundEntry};

/// The beginning of the names of entries that remove what a lower layer has.
const WHITEOUT: &[u8] = b".wh.";
/// The entry that removes all that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// An entry by its layer's and its own number.
type Place = (usize, usize);

/// The files that are visible, by path, and those that are not any more.
#[derive(Default)]
struct Tree {
    visible: BTreeMap<Vec<u8>, Place>,
    /// The symbolic links among them.
    links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The folders that have, or had, something visible in them or below.
    folders: HashSet<Vec<u8>>,
    /// The folder of the last path, as its entry states it and in one form. Entries of a folder follow one another.
    last: Option<(Vec<u8>, Vec<u8>)>,
    hidden: Vec<Place>,
}

/// The entries that are hidden when these layers are unpacked, the lowest first.
pub(super) fn hidden(layers: &[&[FoundEntry]]) -> Vec<Place> {
    let mut tree = Tree::default();
    for (number, layer) in layers.iter().enumerate() {
        for (entry, found) in layer.iter().enumerate().filter(|(_, found)| !found.path.is_empty()) {
            tree.add((number, entry), found);
        }
    }
    tree.hidden
}

impl Tree {
    fn add(&mut self, place: Place, entry: &FoundEntry) {
        let path = self.resolved(&entry.path);
        let (folder, name) = split(&path);
        if name == OPAQUE {
            self.hide_below(folder, |(layer, _)| layer < place.0);
        } else if let Some(name) = name.strip_prefix(WHITEOUT) {
            let path = joined(folder, name);
            self.hide(&path);
            self.hide_below(&path, |_| true);
        } else if entry.kind == EntryKind::Folder {
            // A link to a folder may stay in the place of one, so it counts as one.
            if !self.links.contains_key(&path) {
                self.hide(&path);
            }
        } else {
            self.forget_link(&path);
            self.hide_below(&path, |_| true);
            if let EntryKind::Link(target) = &entry.kind {
                self.links.insert(path.clone(), target.clone());
                self.last = None;
            }
            self.add_folders(folder);
            self.hidden.extend(self.visible.insert(path, place));
        }
    }

    fn add_folders(&mut self, mut folder: &[u8]) {
        while !folder.is_empty() && !self.folders.contains(folder) {
            self.folders.insert(folder.to_vec());
            folder = split(folder).0;
        }
    }

    fn hide(&mut self, path: &[u8]) {
        self.forget_link(path);
        self.hidden.extend(self.visible.remove(path));
    }

    fn forget_link(&mut self, path: &[u8]) {
        if self.links.remove(path).is_some() {
            self.last = None;
        }
    }

    fn hide_below(&mut self, folder: &[u8], mut is_meant: impl FnMut(Place) -> bool) {
        if !folder.is_empty() && !self.folders.contains(folder) {
            return;
        }
        let mut from = folder.to_vec();
        if !folder.is_empty() {
            from.push(b'/');
        }
        let below = self.visible.range(from.clone()..).take_while(|(path, _)| path.starts_with(&from));
        let below: Vec<Vec<u8>> = below.filter(|(_, place)| is_meant(**place)).map(|(path, _)| path.clone()).collect();
        below.iter().for_each(|path| self.hide(path));
    }

    /// A path in one form, with the links of its folders followed as those who unpack layers do.
    fn resolved(&mut self, path: &[u8]) -> Vec<u8> {
        let (folder, name) = split(path.strip_suffix(b"/").unwrap_or(path));
        if matches!(name, b"" | b"." | b"..") {
            return self.followed(path, false);
        }
        if let Some((_, known)) = self.last.as_ref().filter(|(last, _)| last == folder) {
            return joined(known, name);
        }
        let known = self.followed(folder, true);
        let path = joined(&known, name);
        self.last = Some((folder.to_vec(), known));
        path
    }

    /// A path in one form, with its links followed. One that is its last name counts only where a folder is meant.
    fn followed(&self, path: &[u8], is_folder: bool) -> Vec<u8> {
        let mut ahead: Vec<Vec<u8>> = path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect();
        let (mut here, mut links) = (Vec::new(), 0);
        while let Some(name) = ahead.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    here.truncate(split(&here).0.len());
                    continue;
                }
                _ => {}
            }
            let next = joined(&here, &name);
            let is_followed = links < MAX_LINKS && (is_folder || ahead.iter().any(|name| !name.is_empty()));
            match self.links.get(&next).filter(|_| is_followed) {
                Some(target) => {
                    links += 1;
                    if target.starts_with(b"/") {
                        here.clear();
                    }
                    ahead.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                None => here = next,
            }
        }
        here
    }
}

/// The folder of a path, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers by their entries: `/` at the end for a folder, `path>target` for a link. Returns the paths of those that
    /// are hidden.
    fn check(layers: &[&[&str]], expected: &[&str]) {
        let entry = |text: &&str| {
            let (path, kind) = match text.split_once('>') {
                Some((path, target)) => (path, EntryKind::Link(target.into())),
                None if text.ends_with('/') => (*text, EntryKind::Folder),
                None => (*text, EntryKind::File),
            };
            FoundEntry { path: path.into(), kind, data: 0..0 }
        };
        let layers: Vec<Vec<FoundEntry>> = layers.iter().map(|layer| layer.iter().map(entry).collect()).collect();
        let slices: Vec<&[FoundEntry]> = layers.iter().map(Vec::as_slice).collect();
        let name = |(layer, entry): Place| format!("{layer} {}", String::from_utf8_lossy(&layers[layer][entry].path));
        let mut found: Vec<String> = hidden(&slices).into_iter().map(name).collect();
        found.sort();
        assert_eq!(found, expected, "{slices:?}");
    }

    #[test]
    fn files_are_hidden() {
        check(&[&["a", "b/", "b/c"], &["./a", "b/d"]], &["0 a"]);
        check(&[&["a", "a"], &[]], &["0 a"]);
        check(&[&["b/c", "b/d/e", "bc", "b.x"], &["b"]], &["0 b/c", "0 b/d/e"]);
        check(&[&["b/c", "b/d"], &["b/.wh.c"], &["b/c"]], &["0 b/c"]);
        check(&[&["b/c/d", "b/e"], &[".wh.b"]], &["0 b/c/d", "0 b/e"]);
        check(&[&["b/c", "x"], &["b/n", "b/.wh..wh..opq"]], &["0 b/c"]);
        check(&[&["a"], &["a/"]], &["0 a"]);
        check(&[&["x", "y"], &[".wh..wh..opq", "z"]], &["0 x", "0 y"]);
    }

    #[test]
    fn links_of_folders_are_followed() {
        check(&[&["usr/lib/x", "lib>usr/lib"], &["lib/x"]], &["0 usr/lib/x"]);
        check(&[&["usr/lib/x", "lib>usr/lib"], &["lib/"], &["lib/x"]], &["0 usr/lib/x"]);
        check(&[&["a/x", "d/l>../a", "m>/d/l"], &["m/x"]], &["0 a/x"]);
        check(&[&["x", "l>x"], &["l"]], &["0 l"]);
        check(&[&["a>b", "b>a"], &["a/x"]], &[]);
        // Links that change between entries of one folder.
        check(&[&["a/x", "b/x", "l>a"], &["l/x", "l>b", "l/x"]], &["0 a/x", "0 b/x", "0 l"]);
        check(&[&["a/x", "l>a"], &["l/x", ".wh.l", "l/x"]], &["0 a/x", "0 l"]);
        check(&[&["a/x", "l/x"], &["l/y", "l>a", "l/x"]], &["0 a/x", "0 l/x", "1 l/y"]);
        check(&[&["../x"], &["x"]], &["0 ../x"]);
    }
}
