//! The owner, mode and access control list of a finished output. Until it is finished, only this user can open it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::acl;
use regrow_paths::{Place, is_sticky, is_trusted};

/// The attribute that holds a file's access control list.
const ACL: &str = "system.posix_acl_access";
/// The attribute of a folder that holds the list for new files in it.
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// The most bytes of a file's list: 64 KiB.
const MAX_ACL_BYTES: usize = 64 << 10;
/// The mode bits that a new file may get.
const NEW: u32 = 0o666;
/// The mode bits that are kept from a replaced file. Setuid and setgid are not, because the new file may hold another
/// program.
const KEPT: u32 = 0o777;

/// The access control list of a file.
#[derive(Debug, PartialEq, Eq)]
enum Acl {
    None,
    List(Vec<u8>),
    /// The list cannot be read.
    Unknown,
}

/// The attributes that a finished output gets.
#[derive(Debug)]
pub(super) struct Attributes {
    /// The owner and group of the file that is replaced, if there is one.
    owner: Option<(Uid, Gid)>,
    mode: u32,
    acl: Acl,
}

impl Attributes {
    /// Takes the attributes of the file that will be replaced, or those of a new file.
    ///
    /// In a folder like `/tmp`, a file of an untrusted user is ignored: its owner could change the output there, but
    /// cannot change a file of ours. Anywhere else, the owner of the file also owns the folder, or may replace any file
    /// in it.
    pub(super) fn at(place: &Place, name: &OsStr) -> Self {
        match place.stat(name) {
            Ok(stat) if are_kept(place, &stat) => Self::of(&stat, acl_of(place, name)),
            _ => Self::of_new_file(place),
        }
    }

    /// The attributes that the kernel gives a new file in this folder. They follow from the folder's default list, or
    /// else from the umask.
    fn of_new_file(place: &Place) -> Self {
        let (mode, acl) = match read_acl(|list| place.folder_attribute(DEFAULT_ACL, list)) {
            Acl::None => (NEW & !umask(), Acl::None),
            Acl::List(default) => (0, Acl::List(acl::inherited(&default, NEW))),
            Acl::Unknown => (0, Acl::Unknown),
        };
        Self { owner: None, mode, acl }
    }

    fn of(stat: &Stat, acl: Acl) -> Self {
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        Self { owner: Some(owner), mode: stat.st_mode & KEPT, acl }
    }

    /// Gives the attributes to a file that nobody else can open yet. If the file system or the user's rights do not
    /// allow some of them, the file becomes more private, never less.
    pub(super) fn give(&self, file: &File) {
        let Some((owner, group)) = self.owner else { return self.give_new(file) };
        let has_owner = rustix::fs::fchown(file, Some(owner), Some(group)).is_ok();
        let has_group = has_owner || rustix::fs::fchown(file, None, Some(group)).is_ok();
        let mut mode = self.mode;
        if let Acl::List(list) = &self.acl {
            if has_group && rustix::fs::fsetxattr(file, ACL, list, XattrFlags::empty()).is_ok() {
                return;
            }
            mode = mode & !0o070 | acl::group_bits(list) & mode;
        }
        if self.acl == Acl::Unknown {
            // The group's bits may be the mask of a list that cannot be read.
            mode &= !0o070;
        }
        if !has_group {
            // The file has another group than before, which gets no more rights than everybody.
            mode = mode & !0o070 | (mode & 0o007) << 3 & mode;
        }
        // A list that came from the folder's default list did not belong to the old file.
        let _ = rustix::fs::fremovexattr(file, ACL);
        let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(mode));
    }

    /// Gives the attributes to a new file, whose owner and group are right already.
    fn give_new(&self, file: &File) {
        match &self.acl {
            Acl::None => {
                let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode));
            }
            // The kernel sets the mode from the list.
            Acl::List(list) => {
                let _ = rustix::fs::fsetxattr(file, ACL, list, XattrFlags::empty());
            }
            Acl::Unknown => {}
        }
    }
}

/// Whether a replaced file passes its owner and mode on.
pub(super) fn are_kept(place: &Place, replaced: &Stat) -> bool {
    let owns_folder = |folder: Stat| folder.st_uid == replaced.st_uid || !is_sticky(&folder);
    is_trusted(replaced.st_uid) || place.stat_folder().is_ok_and(owns_folder)
}

fn acl_of(place: &Place, name: &OsStr) -> Acl {
    let Ok(file) = place.open_any(name, OFlags::RDONLY) else { return Acl::Unknown };
    read_acl(|list| Ok(rustix::fs::fgetxattr(&file, ACL, list)?))
}

fn read_acl(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Acl {
    let mut list = vec![0; MAX_ACL_BYTES];
    match read(&mut list) {
        Ok(len) => {
            list.truncate(len);
            Acl::List(list)
        }
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Acl::None,
            _ => Acl::Unknown,
        },
    }
}

/// The mode bits that new files do not get.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    if let Some(umask) = told.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
        return umask;
    }
    // Here the umask can only be read by changing it. Files that other threads make meanwhile are more private than
    // they should be.
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask);
    umask.bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_umask_is_that_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("plain"), b"").unwrap();
        let name = OsStr::new("new");
        Attributes::at(&place, name).give(&place.new_file(name).unwrap());
        let mode = |name: &str| place.stat(OsStr::new(name)).unwrap().st_mode;
        assert_eq!(mode("new"), mode("plain"));
    }
}
