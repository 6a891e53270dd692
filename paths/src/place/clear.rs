//! Recognises caches that regrow made by their contents. Names are not enough: somebody who may rename folders
//! beside an output can give any folder of this user the name of a cache.

use std::ffi::OsStr;
use std::io;

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::{Ownership, Place, absent_is_fine, euid};

/// The folder of a cache that holds patches. Stores use the same name.
const PATCHES_FOLDER: &str = "patches";

/// The number of digits of an id.
const ID_DIGITS: usize = 64;

/// The beginning of a new entry's name until the entry is complete. Some digits follow.
pub const NEW_ENTRY: &str = ".part-";

impl Place {
    /// Whether a cache may be used under this name. This holds if there is nothing, or a cache that holds only what
    /// regrow puts there. A link, a file and an empty folder of another user also give way to a cache.
    pub fn may_hold_cache(&self, name: &OsStr) -> bool {
        match self.open_folder(name) {
            Ok(Ownership::Own((folder, stat))) if stat.st_uid == euid() => folder.is_cache(self),
            Ok(Ownership::Own((folder, _))) => folder.entries().is_ok_and(|names| names.is_empty()),
            Ok(Ownership::Foreign) => !self.stat(name).is_ok_and(|stat| super::is_folder(&stat)),
            Ok(Ownership::Absent) => true,
            Err(_) => false,
        }
    }

    /// Whether this folder is a cache: it holds only what regrow puts there, and it is on the disk of its parent.
    pub(super) fn is_cache(&self, parent: &Self) -> bool {
        self.is_on_disk_of(parent)
            && self.all_names(|name| {
                let folder = self.open_folder(name).ok().and_then(Ownership::own);
                is_cache_folder(name)
                    && folder.is_some_and(|(folder, stat)| stat.st_uid == euid() && folder.is_cache_folder(self))
            })
    }

    /// Whether this folder is a folder of entries in a cache, on the disk of its parent.
    pub(super) fn is_cache_folder(&self, parent: &Self) -> bool {
        self.is_on_disk_of(parent) && self.all_names(is_entry)
    }

    fn all_names(&self, is_ours: impl Fn(&OsStr) -> bool) -> bool {
        self.entries().is_ok_and(|names| names.iter().all(|name| is_ours(name)))
    }

    /// Whether nothing is mounted here. Older kernels only tell this for other file systems.
    fn is_on_disk_of(&self, parent: &Self) -> bool {
        let (Ok(own), Ok(parent)) = (self.stat_folder(), parent.stat_folder()) else { return false };
        let found = rustix::fs::statx(&self.handle, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
        let is_mounted = found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
        own.st_dev == parent.st_dev && !is_mounted
    }

    /// Removes a cache of this user. A folder that holds anything else stays as it is, and so do links and folders
    /// of others.
    pub fn remove_cache(&self, name: &OsStr) -> io::Result<()> {
        let Some((cache, stat)) = self.open_folder(name)?.own() else { return Ok(()) };
        if stat.st_uid != euid() || !cache.is_cache(self) {
            return Ok(());
        }
        for inner in cache.entries()? {
            let Some((folder, stat)) = cache.open_folder(&inner)?.own() else { continue };
            if stat.st_uid != euid() || !is_cache_folder(&inner) || !folder.is_on_disk_of(&cache) {
                continue;
            }
            for entry in folder.entries()?.iter().filter(|entry| is_entry(entry)) {
                folder.remove_file(entry)?;
            }
            absent_is_fine(rustix::fs::unlinkat(&cache.handle, &*inner, AtFlags::REMOVEDIR))?;
        }
        absent_is_fine(rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR))
    }
}

/// Whether a folder in a cache may have this name: the first two digits of an id, or the name for patches.
fn is_cache_folder(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name == PATCHES_FOLDER || is_hex(name, 2))
}

/// Whether an entry of a cache may have this name: `<id>-<offset>-<length>`, `<id>-<id>`, or that of a new entry.
fn is_entry(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    if let Some(random) = name.strip_prefix(NEW_ENTRY) {
        return is_hex(random, 16);
    }
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match *name.split('-').collect::<Vec<_>>() {
        [id, offset, length] => is_hex(id, ID_DIGITS) && is_number(offset) && is_number(length),
        [base, target] => is_hex(base, ID_DIGITS) && is_hex(target, ID_DIGITS),
        _ => false,
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_cache() {
        let id = "0123456789abcdef".repeat(4);
        for name in [format!("{id}-0-77"), format!("{id}-{id}"), ".part-0123456789abcdef".to_owned()] {
            assert!(is_entry(OsStr::new(&name)), "{name}");
        }
        for name in [
            id.clone(),
            format!("{id}-0"),
            format!("{id}-0-"),
            format!("{id}-0-1-2"),
            ".part-".to_owned(),
            "file".to_owned(),
        ] {
            assert!(!is_entry(OsStr::new(&name)), "{name}");
        }
        for (name, is_ours) in
            [("00", true), ("fe", true), ("patches", true), ("FE", false), ("abc", false), ("..", false)]
        {
            assert_eq!(is_cache_folder(OsStr::new(name)), is_ours, "{name}");
        }
    }
}
