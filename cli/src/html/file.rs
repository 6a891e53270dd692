//! The page's file. An existing file is replaced only if it is such a page.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::BEGINNING;
use crate::failure::{Code, Failure};

/// Refuses a place that holds something other than a page of ours, for callers that have work to do first.
pub(crate) fn check_place(path: &Path) -> Result<(), Failure> {
    let failed = |reason: &str| Failure::new(Code::General, format!("{}: {reason}", path.display()));
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&error.to_string())),
    };
    let is_ours = found.is_file() && begins_like_ours(path).map_err(|error| failed(&error.to_string()))?;
    if is_ours { Ok(()) } else { Err(failed("this is no page of regrow diff; name another file, or remove it")) }
}

fn begins_like_ours(path: &Path) -> std::io::Result<bool> {
    let mut front = Vec::new();
    File::open(path)?.take(BEGINNING.len() as u64).read_to_end(&mut front)?;
    Ok(front == BEGINNING.as_bytes())
}

/// Writes the page. The old page stays until the new one is complete.
pub(crate) fn write(path: &Path, page: &str) -> Result<(), Failure> {
    check_place(path)?;
    let failed = |error: std::io::Error| Failure::new(Code::General, format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies to these permissions.
    let mut file = tempfile::Builder::new()
        .prefix(".regrow-diff-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(page.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
