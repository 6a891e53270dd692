//! Owner, mode and access control list of a finished output. Until it is finished, only this user can open it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::acl;
use regrow_paths::{Place, is_sticky, is_trusted};

/// The attribute that holds an access control list.
const ACL: &str = "system.posix_acl_access";
/// The attribute of a folder that holds the list of new files in it.
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// No list of a file is longer than 64 KiB.
const MAX_ACL_BYTES: usize = 64 << 10;
/// Bits of mode that a new file may get.
const NEW: u32 = 0o666;
/// Bits of mode that are taken over: a program that ran with its owner's rights is another program now.
const KEPT: u32 = 0o777;

/// The list of a file.
#[derive(Debug, PartialEq, Eq)]
enum Acl {
    None,
    List(Vec<u8>),
    /// It cannot be read.
    Unknown,
}

/// What a finished output gets.
#[derive(Debug)]
pub(super) struct Attributes {
    /// Owner and group of the file that is replaced.
    owner: Option<(Uid, Gid)>,
    mode: u32,
    acl: Acl,
}

impl Attributes {
    /// Those of the file that will be replaced, or of a new one.
    ///
    /// In a folder like `/tmp`, a file of a user whom we do not trust counts as none: its owner could change the output there, but not a
    /// file of ours. Anywhere else, whoever owns the file owns the folder too, or may replace any file in it.
    pub(super) fn at(place: &Place, name: &OsStr) -> Self {
        match place.stat(name) {
            Ok(stat) if are_kept(place, &stat) => Self::of(&stat, acl_of(place, name)),
            _ => Self::of_new_file(place),
        }
    }

    /// Those that the kernel gives a new file there: by the folder's default list, or else by the umask.
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

    /// Gives them to a file that nobody else can open yet. What the file system or the user's rights do not allow makes the file more
    /// private, never less.
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
            // The group's bits may be the mask of a list.
            mode &= !0o070;
        }
        if !has_group {
            // Another group than before has no more rights than everybody.
            mode = mode & !0o070 | (mode & 0o007) << 3 & mode;
        }
        // A list that came from the folder's default list was not the old file's.
        let _ = rustix::fs::fremovexattr(file, ACL);
        let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(mode));
    }

    /// The same for a new file, whose owner and group are right.
    fn give_new(&self, file: &File) {
        match &self.acl {
            Acl::None => {
                let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode));
            }
            // The mode follows from the list.
            Acl::List(list) => {
                let _ = rustix::fs::fsetxattr(file, ACL, list, XattrFlags::empty());
            }
            Acl::Unknown => {}
        }
    }
}

/// Whether a file that is replaced passes its owner and mode on.
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

/// The bits of mode that new files do not get.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    if let Some(umask) = told.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
        return umask;
    }
    // It can only be asked for by changing it. What other threads make meanwhile is more private than it should be.
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
