//! Checks the free room on disks before anything is written.

use std::path::{Path, PathBuf};

use crate::SyncError;

/// File systems that may store fewer bytes than are written, or whose server knows better. Their free room never
/// refuses an output.
const UNCOUNTED: [u64; 4] = [
    0x9123_683e, // btrfs
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x6969,      // NFS
];

/// The bytes that will be written, by file system.
#[derive(Debug, Default)]
pub(crate) struct Needs(Vec<Need>);

#[derive(Debug)]
struct Need {
    folder: PathBuf,
    /// The file system of the folder, if the system tells it.
    device: Option<u64>,
    bytes: u64,
}

impl Needs {
    /// Adds bytes that will be written below a folder.
    pub(crate) fn add(&mut self, folder: &Path, bytes: u64) {
        let device = rustix::fs::stat(folder).ok().map(|stat| stat.st_dev);
        match self.0.iter_mut().find(|need| device.is_some() && need.device == device) {
            Some(need) => need.bytes = need.bytes.saturating_add(bytes),
            None => self.0.push(Need { folder: folder.to_owned(), device, bytes }),
        }
    }

    /// Refuses what does not fit. If the system does not tell how much room is free, nothing is refused.
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

/// The bytes of a folder's disk that are free for this user. The superuser may use the reserved blocks too.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let kind = rustix::fs::statfs(folder).ok()?.f_type as u64 & 0xffff_ffff;
    if disk.f_blocks == 0 || UNCOUNTED.contains(&kind) {
        return None;
    }
    let blocks = if rustix::process::geteuid().is_root() { disk.f_bfree } else { disk.f_bavail };
    blocks.checked_mul(disk.f_frsize)
}
