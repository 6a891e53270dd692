//! Checks of a catalog's owner. regrow believes what a catalog says of an output or an index without looking at the
//! thing itself. So a catalog that others could have written is not used.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use regrow_paths::{LinkError, Trust, follow_links};

use crate::problem::Problem;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// The mode of a catalog's file. Which files this user has concerns nobody else.
pub(crate) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Returns the path of the catalog at `path` without links, and makes its folder. File and folder belong to this
/// user alone.
pub(crate) fn own_place(path: &Path) -> Result<PathBuf, Problem> {
    // The path is made absolute because the program may change its folder while the catalog is open.
    let path = std::path::absolute(path).map_err(Problem::file("resolve", path))?;
    let path = follow_own_links(&path)?;
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    match path.symlink_metadata() {
        Ok(metadata) => {
            check_file(&path, &metadata)?;
            if metadata.mode() & 0o777 != FILE_MODE {
                // An earlier version left the mode to the umask.
                let _ = fs::set_permissions(&path, Permissions::from_mode(FILE_MODE));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Problem::file("look at", path)(error)),
    }
    Ok(path)
}

/// Checks a catalog's file, or one beside it: it must be a regular file of this user that nobody else may write.
pub(crate) fn check_file(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    if !metadata.is_file() {
        return Err(Problem::unsafe_place(path, "is not a regular file"));
    }
    if metadata.uid() != user() {
        return Err(Problem::unsafe_place(path, "belongs to another user"));
    }
    if others_write(metadata) {
        return Err(Problem::unsafe_place(path, "may be written by other users"));
    }
    Ok(())
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_trusted(metadata: &Metadata) -> bool {
    [0, user()].contains(&metadata.uid())
}

/// Whether users other than the owner may write. A group that has the owner's number counts as the owner's own: on
/// many systems each user has such a group.
fn others_write(metadata: &Metadata) -> bool {
    let group_is_own = metadata.gid() == metadata.uid();
    metadata.mode() & OTHERS_WRITE != 0 || (metadata.mode() & GROUP_WRITES != 0 && !group_is_own)
}

/// Replaces the links in a path by their targets. Only links of this user and of root are followed, since the owner
/// of a link decides which catalog is used. Parts that do not exist yet have no links.
fn follow_own_links(path: &Path) -> Result<PathBuf, Problem> {
    follow_links(path, Trust::OwnLinks).map_err(|error| match error {
        LinkError::Foreign { .. } | LinkError::TooMany => {
            Problem::unsafe_place(path, "is reached through a link of another user")
        }
        LinkError::Io { path, source } => Problem::file("read", &path)(source),
    })
}

/// Makes the catalog's folder, and checks that nobody else can put files into it. SQLite also reads the journals
/// beside a database, so the folder matters as much as the file.
fn make_folder(folder: &Path) -> Result<(), Problem> {
    let is_there = |folder: &&Path| folder.symlink_metadata().is_ok();
    if !is_there(&folder)
        && let Some(above) = folder.ancestors().skip(1).find(is_there)
    {
        let metadata = above.symlink_metadata().map_err(Problem::file("look at", above))?;
        // A folder that this user makes within a sticky one is as safe as elsewhere.
        check_folder(above, &metadata, metadata.mode() & STICKY != 0)?;
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
        made.map_err(Problem::file("make", folder))?;
    }
    let metadata = folder.symlink_metadata().map_err(Problem::file("look at", folder))?;
    check_folder(folder, &metadata, false)
}

fn check_folder(folder: &Path, metadata: &Metadata, is_sticky: bool) -> Result<(), Problem> {
    if !is_trusted(metadata) {
        return Err(Problem::unsafe_place(folder, "belongs to another user"));
    }
    if others_write(metadata) && !is_sticky {
        return Err(Problem::unsafe_place(folder, "may be written by other users"));
    }
    Ok(())
}
