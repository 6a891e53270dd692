//! Outputs that no other file can replace. The rename at the end would fail, after all was fetched.

use rustix::fs::StatxAttributes;

use super::spot::Spot;
use crate::SyncError;

/// Refuses a file that a rename will not replace: one that something is mounted on, as containers get single files of their host, or one
/// that is marked as immutable. What the kernel does not tell is not refused.
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
