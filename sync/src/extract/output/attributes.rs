//! Owner, mode and access control list of a finished output. Until it is finished, only this user can open it.

use std::ffi::OsStr;
use std::fs::File;

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::spot::is_trusted;
use crate::place::{Place, is_sticky};

/// The attribute that holds an access control list.
const ACL: &str = "system.posix_acl_access";
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
            _ => Self { owner: None, mode: NEW & !umask(), acl: Acl::None },
        }
    }

    fn of(stat: &Stat, acl: Acl) -> Self {
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        Self { owner: Some(owner), mode: stat.st_mode & KEPT, acl }
    }

    /// Gives them to a file that nobody else can open yet. What the file system or the user's rights do not allow makes the file more
    /// private, never less.
    pub(super) fn give(&self, file: &File) {
        let Some((owner, group)) = self.owner else {
            let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode));
            return;
        };
        let has_owner = rustix::fs::fchown(file, Some(owner), Some(group)).is_ok();
        let has_group = has_owner || rustix::fs::fchown(file, None, Some(group)).is_ok();
        let mut mode = self.mode;
        if let Acl::List(list) = &self.acl {
            if has_group && rustix::fs::fsetxattr(file, ACL, list, XattrFlags::empty()).is_ok() {
                return;
            }
            mode = mode & !0o070 | group_bits(list) & mode;
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
}

/// Whether a file that is replaced passes its owner and mode on.
pub(super) fn are_kept(place: &Place, replaced: &Stat) -> bool {
    let owns_folder = |folder: Stat| folder.st_uid == replaced.st_uid || !is_sticky(&folder);
    is_trusted(replaced.st_uid) || place.stat_folder().is_ok_and(owns_folder)
}

fn acl_of(place: &Place, name: &OsStr) -> Acl {
    let Ok(file) = place.open_any(name, OFlags::RDONLY) else { return Acl::Unknown };
    let mut list = vec![0; MAX_ACL_BYTES];
    match rustix::fs::fgetxattr(&file, ACL, &mut *list) {
        Ok(len) => {
            list.truncate(len);
            Acl::List(list)
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Acl::None,
        Err(_) => Acl::Unknown,
    }
}

/// The rights of the file's group in a list, as bits of a mode. The list is a version of 4 bytes, then entries of a tag (2 bytes), rights
/// (2 bytes) and an id (4 bytes), little-endian.
fn group_bits(list: &[u8]) -> u32 {
    const GROUP: [u8; 2] = [4, 0];
    let entries = list.get(4..).unwrap_or_default().chunks_exact(8);
    let group = entries.into_iter().find(|entry| entry.starts_with(&GROUP));
    group.map_or(0, |entry| u32::from(entry[2] & 7) << 3)
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
    fn the_groups_own_rights() {
        // Version 2; the owner rw-, user 7 rw-, the group r--, the mask rw-, others ---.
        let entries = [(1, 6, u32::MAX), (2, 6, 7), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(u16::to_le_bytes(tag));
            list.extend(u16::to_le_bytes(rights));
            list.extend(u32::to_le_bytes(id));
        }
        assert_eq!(group_bits(&list), 0o040);
        for len in 0..list.len() {
            assert!(matches!(group_bits(&list[..len]), 0 | 0o040));
        }
    }

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
