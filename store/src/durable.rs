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
        // A folder that takes files but may not be listed cannot be opened, and so cannot be synced.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && folder.is_dir() => Ok(()),
        Err(error) => Err(StoreError::io(folder)(error)),
    }
}

/// Makes a folder and the missing ones above it, so that all their names are durable. A file in a folder whose own
/// name is lost is lost too.
pub(crate) fn create_folders(folder: &Path) -> Result<(), StoreError> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        sync_folder(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes a file in `folder` under a temporary name with `prefix`, which is removed when it is dropped. Unlike
/// tempfile's default, everybody may read it as far as the umask allows: it will become a file of a store or a
/// user.
///
/// The file is locked (shared) for as long as it is open. The lock tells a process that clears up that the writer
/// is alive.
pub fn temporary_file(folder: &Path, prefix: &str) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(fs::Permissions::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    // Some network file systems have no locks. There only the age of the file tells.
    let _ = file.as_file().try_lock_shared();
    Ok(file)
}
