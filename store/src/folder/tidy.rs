//! The files that a folder may hold before it becomes a store, and the clearing of a store's `tmp/`. Both concern
//! files that somebody else may have put there. So the rule is that regrow touches nothing that it did not make.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

use crate::StoreError;
use crate::layout::{PATCHES_FOLDER, STORE_FILE};

/// The folder of files that are being written.
pub(super) const STAGING_FOLDER: &str = "tmp";
/// The age from which a temporary file counts as left by a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The prefixes of all files that are ever written in `tmp/`: packs, patches, and everything else.
const PREFIXES: [&str; 3] = ["pack-", "patch-", COPY_PREFIX];
/// The prefix of files that have no name of their own yet.
pub(super) const COPY_PREFIX: &str = ".regrow-";
/// The number of letters and digits that `tempfile` puts behind a prefix.
const RANDOM_CHARS: usize = 6;

/// Whether a store lies in this folder.
pub(super) fn is_store(root: &Path) -> bool {
    root.join(STORE_FILE).is_file()
}

/// Checks that a folder that is no store yet holds nothing that a store would mix with. Three things may be there:
/// indexes, which users keep beside or in a store; the `tmp/` of a store whose making was cut off; `lost+found`,
/// which every new disk has.
///
/// # Errors
/// [`StoreError::Occupied`] and [`StoreError::Io`].
pub(super) fn check_free(root: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io(root)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io(root))?;
        let name = entry.file_name();
        let kind = entry.file_type().map_err(StoreError::io(root))?;
        let lower = name.to_string_lossy().to_ascii_lowercase();
        let may_stay = match lower.as_str() {
            "lost+found" => kind.is_dir(),
            STAGING_FOLDER => kind.is_dir() && holds_only_temporary_files(&entry.path()),
            // A disk for them may be there before the store, also through a link.
            "packs" | PATCHES_FOLDER => entry.path().is_dir() && holds_nothing_yet(&entry.path()),
            name => name.ends_with(".rgx") && !kind.is_dir(),
        };
        if !may_stay {
            let found = name.to_string_lossy().into_owned();
            return Err(StoreError::Occupied { location: root.display().to_string(), found });
        }
    }
    Ok(())
}

/// Whether a folder is as empty as a new disk.
fn holds_nothing_yet(folder: &Path) -> bool {
    let may_stay = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| match entry.file_name().as_encoded_bytes() {
            b"lost+found" => true,
            name => name == STAGING_FOLDER.as_bytes() && holds_only_temporary_files(&entry.path()),
        })
    };
    fs::read_dir(folder).is_ok_and(|mut entries| entries.all(may_stay))
}

fn holds_only_temporary_files(tmp: &Path) -> bool {
    let is_ours = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| is_temporary_name(entry.file_name().as_encoded_bytes(), &PREFIXES))
    };
    fs::read_dir(tmp).is_ok_and(|mut entries| entries.all(is_ours))
}

/// Removes files that dead writers left in a store: in its `tmp/`, and where files wait for folders on other disks.
/// This is best effort: a file that cannot be removed stays.
///
/// A file is removed only if its name is one that regrow gives, it is a regular file, it was last written more than
/// a day ago, and nobody holds a lock on it. `tmp/` is opened without following a link, and its files are removed
/// through that handle.
pub(super) fn remove_abandoned(root: &Path) {
    if !is_store(root) {
        return;
    }
    let anybodys = |_| true;
    remove_abandoned_in(&root.join(STAGING_FOLDER), &PREFIXES, anybodys);
    for folder in ["packs", PATCHES_FOLDER] {
        remove_abandoned_in(&root.join(folder).join(STAGING_FOLDER), &[COPY_PREFIX], anybodys);
    }
    // If `tmp/` is on another disk, files for the store's own folder wait there.
    remove_abandoned_in(root, &[COPY_PREFIX], anybodys);
}

/// Removes files that dead writers of indexes left beside them, by the same rules. The folder may be anybody's, so only
/// files of this user count.
pub(super) fn remove_abandoned_beside(folder: &Path) {
    let user = rustix::process::geteuid().as_raw();
    remove_abandoned_in(folder, &[COPY_PREFIX], |owner| owner == user);
}

/// Removes abandoned files with these prefixes from one folder, if their owners count.
fn remove_abandoned_in(folder: &Path, prefixes: &[&str], counts: impl Fn(u32) -> bool) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(tmp) = rustix::fs::openat(CWD, folder, flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&tmp) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if is_temporary_name(name.to_bytes(), prefixes) && is_abandoned(&tmp, name, &counts) {
            let _ = rustix::fs::unlinkat(&tmp, name, AtFlags::empty());
        }
    }
}

/// Whether `tempfile` may have given this name in a store.
fn is_temporary_name(name: &[u8], prefixes: &[&str]) -> bool {
    prefixes
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix.as_bytes()))
        .any(|random| random.len() == RANDOM_CHARS && random.iter().all(u8::is_ascii_alphanumeric))
}

fn is_abandoned(tmp: &OwnedFd, name: &std::ffi::CStr, counts: &impl Fn(u32) -> bool) -> bool {
    let is_old_file = |stat: &rustix::fs::Stat| {
        // The kind is checked first, so that nothing but a regular file is opened.
        let modified =
            u64::try_from(stat.st_mtime).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && counts(stat.st_uid)
            && age.is_some_and(|age| age > ABANDONED_AFTER)
    };
    if !rustix::fs::statat(tmp, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_old_file(&stat)) {
        return false;
    }
    // It is opened for writing, since some file systems lock exclusively only files that are.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(tmp, name, flags, Mode::empty()) else { return false };
    // The opened file need not be the one that was looked at.
    rustix::fs::fstat(&file).is_ok_and(|stat| is_old_file(&stat)) && File::from(file).try_lock().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::temporary_file;

    fn old_file(path: PathBuf) -> PathBuf {
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3 * 24 * 3600)).unwrap();
        path
    }

    #[test]
    fn only_what_writers_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let tmp = root.path().join("tmp");
        fs::create_dir(&tmp).unwrap();
        let abandoned = ["pack-aB3dE6", "patch-aB3dE6", ".regrow-aB3dE6"].map(|name| old_file(tmp.join(name)));
        let others =
            ["thesis.odt", "pack-", "pack-aB3dE67", "pack-aB3d.6", "notes-aB3dE6"].map(|name| old_file(tmp.join(name)));
        let young = tmp.join("pack-young0");
        File::create(&young).unwrap();
        let outside = old_file(root.path().join("outside"));
        symlink(&outside, tmp.join("pack-linked")).unwrap();
        fs::create_dir(tmp.join("pack-folder")).unwrap();
        let locked = temporary_file(&tmp, "pack-").unwrap();
        locked.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        remove_abandoned(root.path());
        assert!(abandoned.iter().all(|path| path.exists()), "no store stands here yet");
        File::create(root.path().join(STORE_FILE)).unwrap();
        remove_abandoned(root.path());
        assert!(abandoned.iter().all(|path| !path.exists()));
        let kept = others.iter().chain([&young, &outside]).all(|path| path.exists());
        assert!(
            kept && locked.path().exists() && tmp.join("pack-linked").is_symlink() && tmp.join("pack-folder").is_dir()
        );
        let path = locked.into_temp_path().keep().unwrap();
        remove_abandoned(root.path());
        assert!(!path.exists(), "its writer is gone");
    }

    #[test]
    fn what_writers_of_indexes_left_is_removed_beside_them() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let abandoned = old_file(path(".regrow-aB3dE6"));
        let others = [old_file(path("pack-aB3dE6")), old_file(path(".regrow-notes")), old_file(path("app.rgx"))];
        File::create(path(".regrow-young0")).unwrap();
        let locked = temporary_file(root.path(), COPY_PREFIX).unwrap();
        locked.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        remove_abandoned_beside(root.path());
        assert!(!abandoned.exists() && others.iter().all(|path| path.exists()));
        assert!(path(".regrow-young0").exists() && locked.path().exists());
        remove_abandoned_in(root.path(), &["pack-"], |owner| owner > u32::MAX - 1);
        assert!(others[0].exists(), "it is another user's");
    }

    #[test]
    fn nothing_is_removed_through_a_link() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        File::create(root.path().join(STORE_FILE)).unwrap();
        symlink(elsewhere.path(), root.path().join("tmp")).unwrap();
        let file = old_file(elsewhere.path().join("pack-aB3dE6"));
        remove_abandoned(root.path());
        assert!(file.exists());
    }

    #[test]
    fn a_folder_with_other_files_does_not_become_a_store() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        check_free(&path("nowhere")).unwrap();
        check_free(root.path()).unwrap();
        for folder in ["lost+found", "tmp"] {
            fs::create_dir(path(folder)).unwrap();
        }
        for file in ["app.rgx", "tmp/pack-aB3dE6"] {
            File::create(path(file)).unwrap();
        }
        check_free(root.path()).unwrap();
        for file in ["tmp/thesis.odt", "photo.jpg"] {
            File::create(path(file)).unwrap();
            let error = check_free(root.path()).unwrap_err();
            assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
            fs::remove_file(path(file)).unwrap();
        }
    }
}
