//! Whose a catalog may be. What a catalog says of the output or of an index is believed without a look at the thing itself, so one
//! that others could have written is not used.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use crate::problem::Problem;

/// Links that are followed on the way to a catalog, as in the kernel.
const MAX_LINKS: usize = 40;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Of a catalog's file and folder: nobody else is concerned with which files this user has.
pub(crate) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The place of the catalog at `path` without links in it, in a folder that is there. Both are this user's alone.
pub(crate) fn own_place(path: &Path) -> Result<PathBuf, Problem> {
    // Absolute, for the program may change its folder while the catalog is open.
    let path = std::path::absolute(path).map_err(Problem::file("resolve", path))?;
    let path = follow_own_links(&path)?;
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    match path.symlink_metadata() {
        Ok(metadata) => {
            check_file(&path, &metadata)?;
            if metadata.mode() & 0o777 != FILE_MODE {
                // An earlier version let the umask decide.
                let _ = fs::set_permissions(&path, Permissions::from_mode(FILE_MODE));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Problem::file("look at", path)(error)),
    }
    Ok(path)
}

/// A catalog's file, and those beside it: regular files of this user that nobody else may write.
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

/// Whether others than the owner may write. A group with the owner's number is the owner's own, by the convention of systems whose
/// users each have a group.
fn others_write(metadata: &Metadata) -> bool {
    let group_is_own = metadata.gid() == metadata.uid();
    metadata.mode() & OTHERS_WRITE != 0 || (metadata.mode() & GROUP_WRITES != 0 && !group_is_own)
}

/// The path with its links replaced by what they lead to. Only links of this user and of root are followed, since whoever owns a link
/// decides which catalog is used. What is not there yet has no links.
fn follow_own_links(path: &Path) -> Result<PathBuf, Problem> {
    let steps = |path: &Path| -> VecDeque<OsString> {
        path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned()).collect()
    };
    let (mut ahead, mut place, mut links) = (steps(path), PathBuf::new(), 0);
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            place.pop();
            continue;
        }
        // A step that is absolute replaces what is before it.
        let next = place.join(step);
        match next.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if !is_trusted(&metadata) || links > MAX_LINKS {
                    return Err(Problem::unsafe_place(path, "is reached through a link of another user"));
                }
                let target = next.read_link().map_err(Problem::file("read", &next))?;
                for step in steps(&target).into_iter().rev() {
                    ahead.push_front(step);
                }
            }
            _ => place = next,
        }
    }
    Ok(place)
}

/// Makes the catalog's folder, and checks that nobody else can put files into it: not only the catalog decides what is in it, but also
/// the journals beside it.
fn make_folder(folder: &Path) -> Result<(), Problem> {
    let is_there = |folder: &&Path| folder.symlink_metadata().is_ok();
    if !is_there(&folder)
        && let Some(above) = folder.ancestors().skip(1).find(is_there)
    {
        let metadata = above.symlink_metadata().map_err(Problem::file("look at", above))?;
        // What this user makes in a sticky folder is as safe as elsewhere.
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
