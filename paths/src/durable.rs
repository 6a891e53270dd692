//! Names that survive a power cut.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

/// Makes the names in an open folder durable, as far as its file system can.
///
/// Many shares (SMB, FUSE, virtual machines' folders) do not support fsync of a folder, and answer with an error.
/// Their servers keep names as they think right, and a writer can do no more. Any other error is a failure. This
/// rule is only for folders: with files, each error counts.
///
/// # Errors
/// An error of `fsync` which means that names may be lost.
pub fn sync_open_folder(folder: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::fsync(folder.as_fd())) {
        Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
