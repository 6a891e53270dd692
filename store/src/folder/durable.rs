//! Files that appear under their names only when they are complete and durable.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use regrow_paths::sync_open_folder;
use tempfile::NamedTempFile;

use crate::StoreError;

/// Makes the names in a folder durable, as far as its file system can.
pub fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    match File::open(folder) {
        Ok(file) => sync_open_folder(&file).map_err(StoreError::io(folder)),
        // A folder that takes files but may not be listed cannot be opened, and so not be synced.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && folder.is_dir() => Ok(()),
        Err(error) => Err(StoreError::io(folder)(error)),
    }
}

/// Makes a folder, and those above it that are missing, so that all their names are durable: a file in a folder whose own
/// name is lost is lost too.
pub(super) fn create_folders(folder: &Path) -> Result<(), StoreError> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        sync_folder(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// A file in `folder` under a temporary name with `prefix`, removed when dropped. Unlike tempfile's default, it is for
/// all to read as the umask allows: it becomes a store's or a user's file.
///
/// It is locked (shared) for as long as it is open, which tells those who clear up that its writer is alive.
pub fn temporary_file(folder: &Path, prefix: &str) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(fs::Permissions::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    // Some network file systems have no locks; there the file's age alone tells.
    let _ = file.as_file().try_lock_shared();
    Ok(file)
}
