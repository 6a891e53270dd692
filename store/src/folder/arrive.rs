//! The last step of a write, in which a complete file gets its name. File systems differ in what they offer for
//! that, so there are several ways.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, PersistError};

use super::tidy::{COPY_PREFIX, STAGING_FOLDER};
use super::write::version_at;
use crate::durable::{create_folders, temporary_file};
use crate::{Condition, PutOutcome, StoreError};

/// Gives a complete and durable file its name, if the condition holds. `root` is the folder of the store.
pub(super) fn arrive(
    file: NamedTempFile,
    path: &Path,
    root: &Path,
    condition: &Condition,
) -> Result<PutOutcome, StoreError> {
    match take_name(file, path, condition) {
        Err(PersistError { error, file }) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
            let near = copy_near(file, path, root)?;
            take_name(near, path, condition).map_err(|failed| StoreError::io(path)(failed.error))
        }
        outcome => outcome.map_err(|failed| StoreError::io(path)(failed.error)),
    }
}

fn take_name(file: NamedTempFile, path: &Path, condition: &Condition) -> Result<PutOutcome, PersistError> {
    match condition {
        Condition::IfAbsent => take_free_name(file, path),
        Condition::Always => {
            let _locked = lock_folder(path);
            file.persist(path).map(|_| PutOutcome::Stored)
        }
        Condition::IfVersion(version) => {
            let _locked = lock_folder(path);
            if version_at(path).as_ref() != Some(version) {
                return Ok(PutOutcome::Refused);
            }
            file.persist(path).map(|_| PutOutcome::Stored)
        }
    }
}

/// Locks a folder where the file system has locks. A look and a rename are two steps, and other writers wait
/// meanwhile.
fn lock_folder(path: &Path) -> Option<File> {
    let folder = path.parent().and_then(|folder| File::open(folder).ok());
    folder.filter(|folder| folder.lock().is_ok())
}

/// Renames a file to a name that must be free. It tries a rename that replaces nothing, then a hard link, then a
/// look and a rename.
///
/// Shares may lack the first two, and each reports that in its own way, so any error leads to the next way. The
/// error of the last way is the one that is reported.
fn take_free_name(file: NamedTempFile, path: &Path) -> Result<PutOutcome, PersistError> {
    // A file system may accept the flag of the rename and ignore it.
    if path.symlink_metadata().is_ok() {
        return Ok(PutOutcome::Refused);
    }
    match rustix::fs::renameat_with(CWD, file.path(), CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {
            // The temporary name is gone, so there is nothing to remove.
            let _ = file.into_temp_path().keep();
            return Ok(PutOutcome::Stored);
        }
        Err(Errno::EXIST) => return Ok(PutOutcome::Refused),
        Err(_) => {}
    }
    match rustix::fs::linkat(CWD, file.path(), CWD, path, AtFlags::empty()) {
        Ok(()) => return Ok(PutOutcome::Stored),
        // A client whose answer was lost asks again, and then finds its own link.
        Err(Errno::EXIST) if is_same(file.as_file(), path) => return Ok(PutOutcome::Stored),
        Err(Errno::EXIST) => return Ok(PutOutcome::Refused),
        Err(_) => {}
    }
    let _locked = lock_folder(path);
    match path.symlink_metadata() {
        Ok(_) => Ok(PutOutcome::Refused),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(PersistError { error, file }),
        Err(_) => file.persist(path).map(|_| PutOutcome::Stored),
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    let state = |metadata: io::Result<std::fs::Metadata>| metadata.ok().map(|state| (state.dev(), state.ino()));
    let held = state(file.metadata());
    held.is_some() && held == state(path.symlink_metadata())
}

/// Copies a file to a folder from which a rename reaches the path. Part of a store may lie on another disk.
fn copy_near(file: NamedTempFile, path: &Path, root: &Path) -> Result<NamedTempFile, StoreError> {
    let folder = staging_near(path, root);
    create_folders(&folder)?;
    let copy = || {
        let mut near = temporary_file(&folder, COPY_PREFIX)?;
        let mut from = file.as_file();
        from.seek(SeekFrom::Start(0))?;
        io::copy(&mut from, near.as_file_mut())?;
        near.as_file().sync_all()?;
        Ok(near)
    };
    copy().map_err(StoreError::io(&folder))
}

/// The folder in which a file waits for its rename. For `packs/ab/….pack` it is `packs/tmp`, because whole folders
/// of a store may be on other disks. Other files wait beside their place.
fn staging_near(path: &Path, root: &Path) -> PathBuf {
    let mut steps = path.strip_prefix(root).unwrap_or(path).components();
    match (steps.next(), steps.next()) {
        (Some(first), Some(_)) if path.starts_with(root) => root.join(first).join(STAGING_FOLDER),
        _ => path.parent().unwrap_or(root).to_owned(),
    }
}
