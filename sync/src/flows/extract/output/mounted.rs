//! Outputs that cannot be replaced by another file. Without this check, the rename would fail at the very end, after
//! everything was fetched.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::StatxAttributes;

use super::in_place::InPlace;
use super::spot::Spot;
use crate::SyncError;

/// The bytes that are copied at a time.
const COPIED_BYTES: u64 = 1 << 20;

/// Refuses a file that nothing can change: it is marked as immutable or append-only. If the kernel does not tell,
/// nothing is refused.
pub(super) fn check_changeable(spot: &Spot) -> Result<(), SyncError> {
    let attributes = spot.place.attributes(&spot.name).unwrap_or(StatxAttributes::empty());
    if attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
        return Err(SyncError::Immutable { path: spot.path().to_owned() });
    }
    Ok(())
}

/// Whether something is mounted on a file, as containers do with single files of their host. No other file can take its
/// place then.
pub(super) fn is_mounted(spot: &Spot) -> bool {
    spot.place.attributes(&spot.name).is_ok_and(|attributes| attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Writes a complete, verified image over a file that something is mounted on.
pub(super) fn write_over(target: &InPlace, image: &File) -> io::Result<()> {
    let bytes = image.metadata()?.len();
    let (mut at, mut buffer) = (0, vec![0; COPIED_BYTES.min(bytes) as usize]);
    while at < bytes {
        let piece = &mut buffer[..COPIED_BYTES.min(bytes - at) as usize];
        image.read_exact_at(piece, at)?;
        target.write(at, piece)?;
        at += piece.len() as u64;
    }
    target.commit()
}
