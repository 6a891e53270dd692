//! The room on a disk that plain bytes may take, which only spare time.

use std::path::Path;

/// Plain bytes take at most one part in this many of the room that is free. The rest is for what must be written.
const SHARE: u64 = 4;

/// The number of plain bytes that may be put into this folder. It is 0 if the system does not tell how much room it has.
pub(super) fn plain_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |room| room.f_bavail.saturating_mul(room.f_frsize) / SHARE)
}
