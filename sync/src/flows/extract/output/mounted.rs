//! Outputs that cannot be replaced by another file. Without this check, the rename would fail at the very end, after
//! everything was fetched.

use rustix::fs::StatxAttributes;

use super::spot::Spot;
use crate::SyncError;

/// Refuses a file that a rename cannot replace: something is mounted on it, as containers do with single files of their
/// host, or it is marked as immutable or append-only. If the kernel does not tell, nothing is refused.
pub(super) fn check_replaceable(spot: &Spot) -> Result<(), SyncError> {
    let Ok(attributes) = spot.place.attributes(&spot.name) else { return Ok(()) };
    let path = || spot.path().to_owned();
    if attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(SyncError::MountPoint { path: path() });
    }
    if attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
        return Err(SyncError::Immutable { path: path() });
    }
    Ok(())
}
