//! Temporary folders, for images that are opened again by their names; all else lies in files without one. A run that is killed leaves
//! them. Their names say that they are regrow's, and their locks that nobody uses them, so the next run removes them, and files that earlier
//! versions left.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tempfile::{Builder, TempDir};

use regrow_paths::{Access, Found, Place};

/// How the names begin; `tempfile` puts this many letters and digits behind.
const PREFIX: &str = "regrow-tmp-";
const RANDOM_CHARS: usize = 6;
/// How often a name is tried again when another run removes it before it is locked.
const TRIES: u32 = 16;

/// A folder for this user alone, removed when dropped with all that is in it.
pub struct ScratchFolder {
    folder: TempDir,
    _locked: File,
}

impl ScratchFolder {
    /// A new one. What killed runs left there goes first.
    pub fn new(above: &Path) -> io::Result<Self> {
        sweep(above);
        for _ in 0..TRIES {
            let folder = Builder::new().prefix(PREFIX).rand_bytes(RANDOM_CHARS).tempdir_in(above)?;
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

/// Where there are no locks, nobody removes what has none.
fn lock(file: &File) {
    let _ = file.try_lock_shared();
}

/// Removes what runs of this user left that were killed. Best effort: what cannot be removed stays.
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
    if let Ok(Found::Own(file)) = place.find_file(name, Access::Read) {
        if is_free(&file) && place.names(name, &file) {
            let _ = place.remove_file(name);
        }
    } else if let Ok(Found::Own(folder)) = place.find_folder(name)
        && folder.as_file().is_ok_and(|handle| is_free(&handle))
    {
        remove_folder(place, &folder, name);
    }
}

/// Removes a folder of images that were put together, with the caches beside them. Anything else stays, and the folder with it.
fn remove_folder(place: &Place, folder: &Place, name: &OsStr) {
    for inner in folder.entries().unwrap_or_default() {
        if folder.remove_file(&inner).is_err() {
            let _ = folder.remove_cache(&inner);
        }
    }
    let _ = place.remove_empty_folder(name);
}

/// Whether no process uses the file. Where there are no locks, none tells.
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
