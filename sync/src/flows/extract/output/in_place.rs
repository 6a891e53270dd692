//! A file or block device that is written in place.
//!
//! The first MiB is written last. Before any other byte is changed, the first MiB on the disk becomes zeros. Its new
//! bytes wait in memory until everything else is durable, and the first 4 KiB of them wait once more for the rest. So a
//! target whose writing was interrupted or failed has no boot sector, partition table or superblock, and is not taken
//! for an image, old or new.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use rustix::fs::{FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::attributes::are_kept;
use super::holes;
use super::spot::Spot;
use super::try_lock;
use crate::SyncError;
use regrow_paths::is_shared;

/// The bytes at the front that are written last.
const HEAD_BYTES: u64 = 1 << 20;
/// The bytes of the head that are written at the very end.
const FIRST_BYTES: usize = 4 << 10;
/// The bytes that are compared at a time.
const COMPARED_BYTES: usize = 256 << 10;

/// A target that is written in place.
pub(super) struct InPlace {
    file: File,
    is_device: bool,
    image_bytes: u64,
    /// The head as it will be: the first MiB of the image, and the target's old bytes where nothing was written yet.
    head: RwLock<Vec<u8>>,
    /// Whether the target was changed.
    is_begun: AtomicBool,
    beginning: Mutex<()>,
}

impl InPlace {
    /// Opens a target without changing it. Unless `force` is set, a device that is mounted or in use otherwise is
    /// refused.
    pub(super) fn open(spot: &Spot, image_bytes: u64, force: bool) -> Result<Self, SyncError> {
        let file = open(spot, OFlags::RDWR, force)?;
        let kind = kind_of(&file).map_err(SyncError::io(spot.path()))?;
        try_lock(&file, spot.path())?;
        let is_device = kind == FileType::BlockDevice;
        let bytes = size(&file, is_device).map_err(SyncError::io(spot.path()))?;
        if is_device && bytes < image_bytes {
            let reason = format!("{}: the device has {bytes} bytes, the image {image_bytes}", spot.path().display());
            return Err(SyncError::Usage(reason));
        }
        let mut head = vec![0; HEAD_BYTES.min(image_bytes) as usize];
        let held = head.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        if file.read_exact_at(&mut head[..held], 0).is_err() {
            // Bytes that cannot be read cannot be kept either. The end will show whether they can be written.
            head.fill(0);
        }
        let (is_begun, beginning) = (AtomicBool::new(false), Mutex::new(()));
        Ok(Self { file, is_device, image_bytes, head: RwLock::new(head), is_begun, beginning })
    }

    /// Whether the target was changed.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun.load(Ordering::Acquire)
    }

    /// The bytes of disk that the target has. A file with holes counts with its length, which it can fill without
    /// growing. Returns `None` for a device.
    pub(super) fn held_bytes(&self) -> Option<u64> {
        let metadata = self.file.metadata().ok().filter(|_| !self.is_device)?;
        Some(metadata.len().max(metadata.blocks() * 512))
    }

    /// The number of bytes, out of `len` bytes at `at`, that lie in the head.
    fn in_head(&self, at: u64, len: usize) -> usize {
        let head = HEAD_BYTES.min(self.image_bytes).saturating_sub(at);
        len.min(usize::try_from(head).unwrap_or(usize::MAX))
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, rest) = out.split_at_mut(self.in_head(at, out.len()));
        if !first.is_empty() {
            let head = self.head.read().unwrap_or_else(PoisonError::into_inner);
            first.copy_from_slice(&head[at as usize..at as usize + first.len()]);
        }
        if rest.is_empty() { Ok(()) } else { self.file.read_exact_at(rest, at + first.len() as u64) }
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (first, rest) = bytes.split_at(self.in_head(at, bytes.len()));
        if !first.is_empty() {
            let mut head = self.head.write().unwrap_or_else(PoisonError::into_inner);
            head[at as usize..at as usize + first.len()].copy_from_slice(first);
        }
        let at = at + first.len() as u64;
        if rest.is_empty() || (!self.is_begun() && self.holds(at, rest)) {
            return Ok(());
        }
        self.begin()?;
        holes::write_over(&self.file, at, rest)
    }

    /// Whether the target has these bytes already. If the whole image is there, it stays untouched.
    fn holds(&self, at: u64, bytes: &[u8]) -> bool {
        let mut buffer = vec![0; bytes.len().min(COMPARED_BYTES)];
        let mut at = at;
        bytes.chunks(COMPARED_BYTES).all(|wanted| {
            let found = &mut buffer[..wanted.len()];
            let is_same = self.file.read_exact_at(found, at).is_ok() && found == wanted;
            at += wanted.len() as u64;
            is_same
        })
    }

    /// Makes the head zeros, durably, before anything else changes. From then on the target is not an image.
    fn begin(&self) -> io::Result<()> {
        if self.is_begun() {
            return Ok(());
        }
        let _one = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_begun() {
            return Ok(());
        }
        self.drop_rights()?;
        let bytes = size(&self.file, self.is_device)?;
        let zeros = vec![0; bytes.min(HEAD_BYTES.min(self.image_bytes)) as usize];
        if !zeros.is_empty() && !self.holds(0, &zeros) {
            self.file.write_all_at(&zeros, 0)?;
        }
        if bytes < self.image_bytes {
            self.file.set_len(self.image_bytes)?;
        }
        self.file.sync_data()?;
        self.is_begun.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes setuid and setgid from a file, because it will hold another program than the one that got its owner's
    /// rights. The kernel does this when a user writes, but not for root.
    fn drop_rights(&self) -> io::Result<()> {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&self.file)?.st_mode);
        if !self.is_device && mode.intersects(Mode::SUID | Mode::SGID) {
            // A user who may write the file but not change its mode is not root, so the kernel removes the bits.
            let _ = rustix::fs::fchmod(&self.file, mode.difference(Mode::SUID | Mode::SGID));
        }
        Ok(())
    }

    /// Writes the rest of the complete, verified image, and syncs between the steps, so that a power cut cannot reorder
    /// them.
    pub(super) fn commit(&self) -> io::Result<()> {
        let head = self.head.read().unwrap_or_else(PoisonError::into_inner);
        if !self.is_begun() && !self.holds(0, &head) {
            self.begin()?;
        }
        if !self.is_device && size(&self.file, false)? != self.image_bytes {
            self.file.set_len(self.image_bytes)?;
        }
        self.file.sync_all()?;
        if self.is_begun() {
            let (first, rest) = head.split_at(head.len().min(FIRST_BYTES));
            self.file.write_all_at(rest, first.len() as u64)?;
            self.file.sync_data()?;
            self.file.write_all_at(first, 0)?;
            self.file.sync_all()?;
        }
        Ok(())
    }
}

/// Opens a file or block device. Anything else is refused without waiting for it.
pub(super) fn open(spot: &Spot, access: OFlags, force: bool) -> Result<File, SyncError> {
    let unfit = || SyncError::Usage(format!("{}: neither a file nor a block device", spot.path().display()));
    let stat = spot.place.stat(&spot.name).map_err(SyncError::io(spot.path()))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let flags = match kind {
        // Such a file is as dangerous as a link: its owner decides what is written over, or can change what was
        // written.
        FileType::RegularFile if access == OFlags::RDWR && is_planted(spot, &stat) => {
            return Err(SyncError::Planted { path: spot.path().to_owned() });
        }
        FileType::RegularFile => access,
        // Without O_CREAT, this flag asks for a device that nobody else uses.
        FileType::BlockDevice if access == OFlags::RDWR && !force => access | OFlags::EXCL,
        FileType::BlockDevice => access,
        _ => return Err(unfit()),
    };
    let file = match spot.place.open_any(&spot.name, flags) {
        Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) && flags.contains(OFlags::EXCL) => {
            return Err(holder(spot));
        }
        opened => opened.map_err(SyncError::io(spot.path()))?,
    };
    if kind_of(&file).map_err(SyncError::io(spot.path()))? == kind { Ok(file) } else { Err(unfit()) }
}

/// Whether another user may have put the file there: it is theirs, or it is a second name of another file.
fn is_planted(spot: &Spot, stat: &Stat) -> bool {
    !are_kept(&spot.place, stat)
        || (stat.st_nlink > 1 && spot.place.stat_folder().is_ok_and(|folder| is_shared(&folder)))
}

/// The error for a device in use, which tells whether another regrow or anything else uses it.
fn holder(spot: &Spot) -> SyncError {
    let path = spot.path().to_owned();
    match spot.place.open_any(&spot.name, OFlags::RDONLY) {
        Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => SyncError::Busy { path },
        _ => SyncError::InUse { path },
    }
}

fn kind_of(file: &File) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

fn size(file: &File, is_device: bool) -> io::Result<u64> {
    if is_device { Ok(rustix::fs::seek(file, SeekFrom::End(0))?) } else { Ok(file.metadata()?.len()) }
}

#[cfg(test)]
mod tests;
