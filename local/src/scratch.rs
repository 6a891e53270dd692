//! Temporary folders, for images that other programs open by name; everything else lies in files without a name.
//!
//! A run that is killed leaves its folders. Their names show that they belong to regrow, and a missing lock shows
//! that nobody uses them. So the next run removes them, and also the files that earlier versions left.

use std::ffi::OsStr;
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, TempDir};

use regrow_paths::{Access, Ownership, Place};

/// The beginning of the names. `tempfile` appends this many letters and digits.
const PREFIX: &str = "regrow-tmp-";
const RANDOM_CHARS: usize = 6;
/// The number of times that another name is tried, if another run removes a folder before it is locked.
const TRIES: u32 = 16;
/// The depth of folders in a temporary folder: a store has `packs/ab/`.
const MOST_DEPTH: u32 = 4;
/// What lies in a folder may be private, so others cannot enter it.
const FOLDER_MODE: u32 = 0o700;
/// The name of a store in a temporary folder.
const STORE: &str = "store";

/// A folder for this user alone. Dropping it removes it with everything in it.
pub struct ScratchFolder {
    folder: TempDir,
    _locked: File,
}

impl ScratchFolder {
    /// Makes a new folder in `above`, and first removes the folders that killed runs left there.
    pub fn new(above: &Path) -> io::Result<Self> {
        sweep(above);
        for _ in 0..TRIES {
            let mode = Permissions::from_mode(FOLDER_MODE);
            let folder = Builder::new().prefix(PREFIX).rand_bytes(RANDOM_CHARS).permissions(mode).tempdir_in(above)?;
            let Ok(handle) = File::open(folder.path()) else { continue };
            lock(&handle);
            if folder.path().exists() {
                return Ok(Self { folder, _locked: handle });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks the file. On a file system without locks this does nothing, and then nobody removes the folder either.
fn lock(file: &File) {
    let _ = file.try_lock_shared();
}

/// Removes everything that killed runs of this user left. A file that cannot be removed stays.
pub fn sweep(folder: &Path) {
    let Ok(place) = Place::open(folder) else { return };
    for name in place.entries().unwrap_or_default() {
        if is_ours(&name) {
            sweep_name(&place, &name);
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let random = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM_CHARS && random.iter().all(u8::is_ascii_alphanumeric))
}

fn sweep_name(place: &Place, name: &OsStr) {
    if let Ok(Ownership::Own(file)) = place.find_file(name, Access::Read) {
        if is_free(&file) && place.names(name, &file) {
            let _ = place.remove_file(name);
        }
    } else if let Ok(Ownership::Own(folder)) = place.find_folder(name)
        && folder.as_file().is_ok_and(|handle| is_free(&handle))
    {
        remove_folder(place, &folder, name, MOST_DEPTH);
    }
}

/// Removes a folder of assembled images, with the caches beside them and the store that they may share. Anything else
/// stays, and then the folder stays too.
fn remove_folder(place: &Place, folder: &Place, name: &OsStr, depth: u32) {
    for inner in folder.entries().unwrap_or_default() {
        let is_of_store = depth < MOST_DEPTH || inner == STORE;
        if folder.remove_file(&inner).is_ok() {
            continue;
        }
        match (folder.find_folder(&inner), depth.checked_sub(1)) {
            (Ok(Ownership::Own(below)), Some(depth)) if is_of_store => remove_folder(folder, &below, &inner, depth),
            _ => drop(folder.remove_cache(&inner)),
        }
    }
    let _ = place.remove_empty_folder(name);
}

/// Whether no process uses the file. On a file system without locks the answer is no.
fn is_free(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_killed_runs_left_is_removed() {
        let above = tempfile::tempdir().unwrap();
        let path = |name: &str| above.path().join(name);
        let folder = ScratchFolder::new(above.path()).unwrap();
        let file = Builder::new().prefix(PREFIX).tempfile_in(above.path()).unwrap();
        lock(file.as_file());
        std::fs::write(folder.path().join("image"), b"image").unwrap();
        std::fs::create_dir_all(folder.path().join("store/packs/ab")).unwrap();
        std::fs::write(folder.path().join("store/packs/ab/pack"), b"pack").unwrap();
        std::fs::write(path("regrow-tmp-notours"), b"").unwrap();
        std::fs::write(path("thesis"), b"").unwrap();
        symlink("thesis", path("regrow-tmp-abcdef")).unwrap();
        sweep(above.path());
        assert!(file.path().exists() && folder.path().join("image").exists(), "they are in use");
        let ScratchFolder { folder, _locked } = folder;
        let left = [file.into_temp_path().keep().unwrap(), folder.keep()];
        drop(_locked);
        sweep(above.path());
        assert!(!left.iter().any(|left| left.exists()));
        let mut stay: Vec<_> =
            std::fs::read_dir(above.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        stay.sort();
        assert_eq!(stay, ["regrow-tmp-abcdef", "regrow-tmp-notours", "thesis"]);
    }
}
