//! The folders below a folder in which engines unpack layers.

use std::path::{Path, PathBuf};

use super::rooted::Rooted;

/// The names of such folders.
const NAMES: [&str; 3] = ["diff", "fs", "rootfs"];
/// The folders of which each folder is one.
const PARENTS: [&str; 3] = ["vfs/dir", "btrfs/subvolumes", "io.containerd.snapshotter.v1.native/snapshots"];
/// The depth at which they lie: containerd has them at `SNAPSHOTTER/snapshots/NUMBER/fs`.
const MAX_DEPTH: usize = 4;
/// The most folders that are looked at, and the most that are found.
const MAX_FOLDERS: usize = 1 << 14;
const MAX_ROOTS: usize = 1 << 10;
/// The most names that are looked at in a folder.
const MAX_NAMES: usize = 1 << 12;

/// Finds the folders, by their paths.
pub(crate) fn below(folder: &Rooted) -> Vec<PathBuf> {
    let mut search = Search { found: Vec::new(), left: MAX_FOLDERS };
    search.look(folder, Path::new(""), MAX_DEPTH);
    search.found
}

struct Search {
    found: Vec<PathBuf>,
    left: usize,
}

impl Search {
    fn look(&mut self, folder: &Rooted, path: &Path, depth: usize) {
        let are_roots = PARENTS.iter().any(|parent| path.ends_with(parent));
        for name in folder.names(MAX_NAMES).unwrap_or_default() {
            if self.left == 0 || self.found.len() == MAX_ROOTS {
                return;
            }
            let Ok(inner) = folder.own_folder(Path::new(&name)) else { continue };
            self.left -= 1;
            let path = path.join(&name);
            if are_roots || NAMES.iter().any(|root| name == *root) {
                self.found.push(path);
            } else if depth > 1 {
                self.look(&inner, &path, depth - 1);
            }
        }
    }
}
