//! Room on disks, looked for before anything is written.

use std::path::{Path, PathBuf};

use crate::SyncError;

/// File systems that may store fewer bytes than are written, or whose server knows better: their free room refuses nothing.
const UNCOUNTED: [u64; 4] = [
    0x9123_683e, // btrfs
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x6969,      // NFS
];

/// Bytes that will be written, by folder.
#[derive(Debug, Default)]
pub(crate) struct Needs(Vec<Need>);

#[derive(Debug)]
struct Need {
    folder: PathBuf,
    /// The file system, where it can be told.
    device: Option<u64>,
    bytes: u64,
}

impl Needs {
    /// At least this many bytes will be written below a folder.
    pub(crate) fn add(&mut self, folder: &Path, bytes: u64) {
        let device = rustix::fs::stat(folder).ok().map(|stat| stat.st_dev);
        match self.0.iter_mut().find(|need| device.is_some() && need.device == device) {
            Some(need) => need.bytes = need.bytes.saturating_add(bytes),
            None => self.0.push(Need { folder: folder.to_owned(), device, bytes }),
        }
    }

    /// Refuses what cannot fit. Where the system does not tell how much is free, nothing is refused.
    pub(crate) fn check(self) -> Result<(), SyncError> {
        for Need { folder, bytes: needed, .. } in self.0 {
            match free_bytes(&folder) {
                Some(free) if free < needed => return Err(SyncError::Room { folder, needed, free }),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Free bytes for this user on a folder's disk. The superuser has the reserved blocks too.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let kind = rustix::fs::statfs(folder).ok()?.f_type as u64 & 0xffff_ffff;
    if disk.f_blocks == 0 || UNCOUNTED.contains(&kind) {
        return None;
    }
    let blocks = if rustix::process::geteuid().is_root() { disk.f_bfree } else { disk.f_bavail };
    blocks.checked_mul(disk.f_frsize)
}
