//! Decides whether a file is this user's own. Some files are, although their modes say that others may write to
//! them.

use std::fs::File;
use std::io;

use rustix::fs::{Mode, Stat};
use rustix::io::Errno;

use super::{Access, FILE_MODE, could_be_own_file, is_own, mode_of};

/// Whether an open file is this user's and nobody else can write to it, as far as the file system can tell.
pub(super) fn is_own_file(file: &File, access: Access) -> io::Result<bool> {
    let stat = rustix::fs::fstat(file)?;
    if !could_be_own_file(&stat) {
        return Ok(false);
    }
    Ok(is_own(&stat) || is_of_own_group(file, &stat) || (access == Access::ReadWrite && has_no_modes(file)?))
}

/// Whether only the owner's own group may also write to the file. By convention, that group has the owner's number.
/// If the file has an access control list, the group's bits may stand for other users, so the answer is no.
fn is_of_own_group(file: &File, stat: &Stat) -> bool {
    let has_list = || {
        let read = rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut [0u8; 0][..]);
        !matches!(read, Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS))
    };
    !mode_of(stat).contains(Mode::WOTH) && stat.st_gid == stat.st_uid && !has_list()
}

/// Whether the file lies on a file system without modes, such as FAT. There all files seem to be writable by
/// everybody, and the owner cannot change that.
///
/// Continuing with such a file is no worse than beginning a new one, which would have the same mode. Whoever may
/// write to it may also write to the finished output. Its bytes count only after they were hashed.
///
/// On a file system with modes, this takes the rights of others away. The file is not accepted even then, since
/// others may have opened it before.
fn has_no_modes(file: &File) -> io::Result<bool> {
    match rustix::fs::fchmod(file, FILE_MODE) {
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(_) => return Ok(false),
    }
    Ok(mode_of(&rustix::fs::fstat(file)?).intersects(Mode::WGRP | Mode::WOTH))
}
