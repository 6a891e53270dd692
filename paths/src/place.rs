//! Folders to which others may also write, and regrow's own files in them.
//!
//! A folder is opened once, and every operation goes through its handle, so nobody can swap the folder between two
//! steps. A file or folder counts as *own* if this user owns it and nobody else can write to it. A file must also
//! have only one name. Anything else under a name that regrow needs is unlinked and made again. It is never opened
//! for writing, locked, resized or followed.

mod clear;
mod own;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags};
use rustix::io::Errno;

pub use clear::NEW_ENTRY;

/// The mode of own files.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// The mode of own folders.
const FOLDER_MODE: Mode = Mode::RWXU;
/// The range of the longest name in file systems. Encrypted ones take shorter names than others.
const NAME_BYTES: std::ops::RangeInclusive<usize> = 64..=255;
/// The number of tries with a name that somebody else changes meanwhile.
const TRIES: u32 = 16;

/// A folder that is held open.
#[derive(Debug)]
pub struct Place {
    handle: OwnedFd,
    /// The path of the folder when it was opened, for messages.
    path: PathBuf,
}

/// The object under a name.
#[derive(Debug)]
pub enum Ownership<T> {
    /// The object belongs to this user, and nobody else can write to it.
    Own(T),
    /// The object does not belong to this user, or others can change it.
    Foreign,
    /// There is nothing under the name.
    Absent,
}

impl<T> Ownership<T> {
    /// The file or folder, if it is our own.
    pub fn own(self) -> Option<T> {
        match self {
            Self::Own(own) => Some(own),
            Self::Foreign | Self::Absent => None,
        }
    }
}

/// The purpose for which an existing file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The file is only read.
    Read,
    /// The file is read and written.
    ReadWrite,
}

impl Place {
    /// Opens a folder that the user named. Links in the path are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let handle = rustix::fs::openat(CWD, path, folder_flags(), Mode::empty())?;
        Ok(Self { handle, path: path.to_owned() })
    }

    /// Takes a handle of a folder, of any kind. `path` is for messages.
    pub fn of_handle(handle: OwnedFd, path: PathBuf) -> Self {
        // A folder that may not be listed cannot be opened for reading. It cannot be made durable then, but all
        // else works.
        let handle = rustix::fs::openat(&handle, ".", folder_flags(), Mode::empty()).unwrap_or(handle);
        Self { handle, path }
    }

    /// Another handle of the same folder.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { handle: self.handle.try_clone()?, path: self.path.clone() })
    }

    /// The kernel's description of the folder itself.
    pub fn stat_folder(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.handle)?)
    }

    /// Reads an extended attribute of the folder into a buffer, and returns its length.
    pub fn folder_attribute(&self, name: &str, value: &mut [u8]) -> io::Result<usize> {
        match rustix::fs::fgetxattr(&self.handle, name, &mut *value) {
            // A handle of a folder that may not be listed can only be used in paths.
            Err(Errno::BADF) => {
                let path = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
                Ok(rustix::fs::getxattr(path, name, &mut *value)?)
            }
            read => Ok(read?),
        }
    }

    /// The folder's path, for libraries that make temporary files there.
    pub fn folder(&self) -> &Path {
        if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path }
    }

    /// The path of a name in this folder, for messages.
    pub fn path(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Describes the object under a name. A link there is not followed.
    pub fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The attributes of a name that [`Place::stat`] does not give, for example that something is mounted there. A
    /// link there is not followed.
    pub fn attributes(&self, name: &OsStr) -> io::Result<StatxAttributes> {
        let found = rustix::fs::statx(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())?;
        Ok(found.stx_attributes & found.stx_attributes_mask)
    }

    /// The longest name that this folder takes, in bytes.
    pub fn max_name_bytes(&self) -> usize {
        let told = rustix::fs::fstatvfs(&self.handle).map_or(0, |disk| disk.f_namemax);
        // FAT and some others count characters, and state how many bytes those could be.
        usize::try_from(told).ok().filter(|told| NAME_BYTES.contains(told)).unwrap_or(*NAME_BYTES.end())
    }

    /// Whether a name leads to this open file.
    pub fn names(&self, name: &OsStr, file: &File) -> bool {
        match (self.stat(name), rustix::fs::fstat(file)) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            _ => false,
        }
    }

    /// Opens an own file. This never waits, whatever lies under the name.
    pub fn find_file(&self, name: &OsStr, access: Access) -> io::Result<Ownership<File>> {
        // Opening a device may already do something to it, so the name is looked at first. The second look, at the
        // handle, is the one that counts.
        match self.stat(name) {
            Ok(stat) if !could_be_own_file(&stat) => return Ok(Ownership::Foreign),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ownership::Absent),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::NOENT) => return Ok(Ownership::Absent),
            Err(Errno::LOOP | Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::NODEV | Errno::ISDIR) => {
                return Ok(Ownership::Foreign);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(if own::is_own_file(&file, access)? { Ownership::Own(file) } else { Ownership::Foreign })
    }

    /// Opens any object under this name with these flags, unless it is a link. This never waits.
    pub fn open_any(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.handle, name, flags, Mode::empty())?))
    }

    /// Makes a file under a name that must be free, for this user alone.
    pub fn new_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.handle, name, flags, FILE_MODE)?))
    }

    /// Opens an own file. If there is none, or something else, makes one.
    pub(crate) fn own_file(&self, name: &OsStr) -> io::Result<File> {
        for _ in 0..TRIES {
            match self.find_file(name, Access::ReadWrite)? {
                Ownership::Own(file) => {
                    make_private(&file, FILE_MODE);
                    return Ok(file);
                }
                Ownership::Foreign => self.remove_file(name)?,
                Ownership::Absent => match self.new_file(name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => return made,
                },
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Opens an own file, or makes one, and locks it for this process. The result is `None` if another process has
    /// the lock. That process must be this user's, since nobody else can open the file.
    pub fn locked_file(&self, name: &OsStr) -> io::Result<Option<File>> {
        for _ in 0..TRIES {
            let file = self.own_file(name)?;
            // On a file system without locks, the file is used without one.
            if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
                return Ok(None);
            }
            // Another process may have renamed or removed the file before the lock was taken.
            if self.names(name, &file) {
                return Ok(Some(file));
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Removes a file or a link. It is no error if there is none.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        absent_is_fine(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()))
    }

    /// Renames a file within this folder, over whatever has that name.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Makes the names in this folder durable, as far as its file system can. With the handle of a folder that may
    /// not be listed, nothing can be synced, and the error is `EBADF`.
    pub fn sync(&self) -> io::Result<()> {
        if rustix::fs::fcntl_getfl(&self.handle)?.contains(OFlags::PATH) {
            return Err(Errno::BADF.into());
        }
        crate::sync_open_folder(&self.handle)
    }

    /// Removes an empty folder. It is no error if there is none.
    pub fn remove_empty_folder(&self, name: &OsStr) -> io::Result<()> {
        absent_is_fine(rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR))
    }

    /// Another handle of the folder, as a file that can be locked.
    pub fn as_file(&self) -> io::Result<File> {
        Ok(File::from(self.handle.try_clone()?))
    }

    /// Opens an own folder.
    pub fn find_folder(&self, name: &OsStr) -> io::Result<Ownership<Self>> {
        Ok(match self.open_folder(name)? {
            Ownership::Own((folder, stat)) if is_own(&stat) => Ownership::Own(folder),
            Ownership::Absent => Ownership::Absent,
            _ => Ownership::Foreign,
        })
    }

    /// Opens a folder of any user. Links and files are foreign.
    fn open_folder(&self, name: &OsStr) -> io::Result<Ownership<(Self, Stat)>> {
        let flags = folder_flags() | OFlags::NOFOLLOW;
        let handle = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Ownership::Absent),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::ACCESS | Errno::PERM) => return Ok(Ownership::Foreign),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&handle)?;
        Ok(Ownership::Own((Self { handle, path: self.path(name) }, stat)))
    }

    /// Opens a cache, or a folder of entries in one. If there is none, or something that can be removed, makes a
    /// new one.
    ///
    /// A folder of somebody else that is not empty is an error and stays untouched, and so is a folder that holds
    /// anything but cache entries. A cache of this user to which others could write becomes private, and its
    /// contents must be checked.
    pub fn own_folder(&self, name: &OsStr) -> io::Result<Self> {
        for _ in 0..TRIES {
            match self.open_folder(name)? {
                Ownership::Own((folder, stat)) if stat.st_uid == euid() => {
                    let is_private = mode_of(&stat) == FOLDER_MODE;
                    if !is_private && !folder.is_cache(self) && !folder.is_cache_folder(self) {
                        return Err(io::ErrorKind::PermissionDenied.into());
                    }
                    make_private(&folder.handle, FOLDER_MODE);
                    if is_own(&rustix::fs::fstat(&folder.handle)?) {
                        return Ok(folder);
                    }
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                Ownership::Own(_) | Ownership::Foreign => self.remove_foreign_folder(name)?,
                Ownership::Absent => match rustix::fs::mkdirat(&self.handle, name, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Removes a link, a file or an empty folder.
    fn remove_foreign_folder(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => absent_is_fine(rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR)),
            removed => absent_is_fine(removed),
        }
    }

    /// The names in this folder.
    pub fn entries(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

/// Whether the folder is like `/tmp`: sticky, and writable by everybody.
pub fn is_shared(folder: &Stat) -> bool {
    mode_of(folder).contains(Mode::SVTX | Mode::WOTH)
}

/// Whether others may put names into the folder that only their owners can remove.
pub fn is_sticky(folder: &Stat) -> bool {
    mode_of(folder).contains(Mode::SVTX) && mode_of(folder).intersects(Mode::WGRP | Mode::WOTH)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Whether this user owns the object and nobody else can write to it. An access control list cannot grant more than
/// the group's bits.
fn is_own(stat: &Stat) -> bool {
    stat.st_uid == euid() && !mode_of(stat).intersects(Mode::WGRP | Mode::WOTH)
}

/// Whether the object is a regular file of this user without a second name.
fn could_be_own_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1 && stat.st_uid == euid()
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

/// Takes away the rights that an earlier version gave to others. File systems without modes refuse this, and there
/// is nothing to take away.
fn make_private(handle: impl std::os::fd::AsFd, mode: Mode) {
    if rustix::fs::fstat(&handle).is_ok_and(|stat| mode_of(&stat) != mode) {
        let _ = rustix::fs::fchmod(handle, mode);
    }
}

fn absent_is_fine(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
