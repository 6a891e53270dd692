//! The key that tells one state of a seed from another.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NS_PER_SECOND: i128 = 1_000_000_000;

/// How long a file must have been left alone before it was looked at, so that its times can be trusted. The
/// coarsest clock of a file system in use (FAT) ticks every 2 seconds.
pub const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// One state of a seed file, and the rules by which it is read.
///
/// Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeedKey {
    /// The absolute, canonical path.
    pub path: PathBuf,
    /// The device that holds the file.
    pub device: u64,
    /// The file's number on that device.
    pub inode: u64,
    /// The file's size.
    pub bytes: u64,
    /// When the contents were last written, as the file says. Programs can set it to anything.
    pub modified_ns: i128,
    /// When the contents or the metadata were last changed. Programs cannot set it.
    pub changed_ns: i128,
    /// When the file was looked at. It is not compared with an entry.
    pub observed_ns: i128,
    /// The chunking parameters and walking rules. Entries that were made by other rules are not found.
    pub rules: String,
}

impl SeedKey {
    /// Makes the key of the file at `path` with this metadata. The metadata must have been taken just now, and
    /// before the first byte is read: a write during the reading then leaves an entry that no later key matches.
    /// Prefer [`SeedKey::of_file`], which takes the metadata itself.
    ///
    /// # Errors
    /// The path cannot be made canonical.
    pub fn of(path: &Path, metadata: &Metadata, rules: &str) -> io::Result<Self> {
        Self::observed_at(now_ns(), path, metadata, rules)
    }

    /// Makes the key of an open file that was opened at `path`. Call it before the first byte is read.
    ///
    /// # Errors
    /// The metadata cannot be read, or the path cannot be made canonical.
    pub fn of_file(path: &Path, file: &File, rules: &str) -> io::Result<Self> {
        // The clock is read first: a write between the two then looks younger than it is, never older.
        let observed_ns = now_ns();
        Self::observed_at(observed_ns, path, &file.metadata()?, rules)
    }

    fn observed_at(observed_ns: i128, path: &Path, metadata: &Metadata, rules: &str) -> io::Result<Self> {
        Ok(Self {
            path: path.canonicalize()?,
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            observed_ns,
            rules: rules.to_owned(),
        })
    }

    /// Whether the file had been left alone for [`SETTLED_AFTER`] when it was looked at.
    ///
    /// If not, a write may yet follow that leaves size and times as they are, since a file system's clock ticks
    /// coarsely. git calls such an entry of its index "racily clean". The time that counts is the one between the
    /// last change and the *look*, not the time of storing. Reading a large file takes longer than a tick, and a
    /// write right after the look stays unseen, however much later the entry is stored. A change that seems to lie
    /// in the future is just as suspect.
    ///
    /// An entry of a settled key needs no such check when it is found again, since any write after the look moved
    /// the changed time.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let last_change_ns = self.modified_ns.max(self.changed_ns);
        // SETTLED_AFTER is at most 2e9 nanoseconds, which fits.
        let settled_after_ns = SETTLED_AFTER.as_nanos() as i128;
        self.observed_ns.saturating_sub(last_change_ns) > settled_after_ns
    }

    /// The fields that are compared with an entry besides path and rules, as bytes of a fixed length.
    pub(crate) fn state(&self) -> Vec<u8> {
        [
            &self.device.to_le_bytes()[..],
            &self.inode.to_le_bytes(),
            &self.bytes.to_le_bytes(),
            &self.modified_ns.to_le_bytes(),
            &self.changed_ns.to_le_bytes(),
        ]
        .concat()
    }
}

fn nanoseconds(seconds: i64, rest_ns: i64) -> i128 {
    i128::from(seconds) * NS_PER_SECOND + i128::from(rest_ns)
}

/// The current time. A clock before 1970 counts as 1970, which only makes files look unsettled.
pub(crate) fn now_ns() -> i128 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(modified_ns: i128, changed_ns: i128, observed_ns: i128) -> SeedKey {
        let (path, rules) = (PathBuf::from("/seed"), String::new());
        SeedKey { path, device: 1, inode: 2, bytes: 3, modified_ns, changed_ns, observed_ns, rules }
    }

    #[test]
    fn settled_needs_more_than_two_seconds_since_both_times() {
        let second = NS_PER_SECOND;
        assert!(key(0, 0, 2 * second + 1).is_settled());
        assert!(!key(0, 0, 2 * second).is_settled());
        assert!(!key(0, 3 * second, 4 * second).is_settled(), "an old modified time can be forged");
        assert!(!key(3 * second, 0, 4 * second).is_settled());
        assert!(!key(9 * second, 0, 4 * second).is_settled(), "a change in the future");
        assert!(key(i128::MIN, i128::MIN, i128::MAX).is_settled(), "no overflow");
    }

    #[test]
    fn the_state_tells_every_field_apart() {
        let base = key(4, 5, 6);
        let changed = [
            SeedKey { device: 9, ..base.clone() },
            SeedKey { inode: 9, ..base.clone() },
            SeedKey { bytes: 9, ..base.clone() },
            SeedKey { modified_ns: 9, ..base.clone() },
            SeedKey { changed_ns: 9, ..base.clone() },
        ];
        for other in changed {
            assert_ne!(base.state(), other.state());
        }
        assert_eq!(base.state(), SeedKey { observed_ns: 9, ..base.clone() }.state());
    }
}
