//! The rule that decides where a group of small files ends. FORMAT.md, section 3.

use xxhash_rust::xxh3::Xxh3Default;

use crate::Params;

/// The XXH3-64 hash of a small file, fed as its bytes arrive.
#[derive(Default)]
pub struct FileHash(Xxh3Default);

impl FileHash {
    /// Feeds further bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the file's hash and resets for the next file.
    pub fn finish(&mut self) -> u64 {
        let hash = self.0.digest();
        self.0.reset();
        hash
    }
}

/// The grouping rule for a set of parameters.
#[derive(Debug, Clone, Copy)]
pub struct GroupRule {
    params: Params,
}

impl GroupRule {
    /// The rule for these parameters.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// Whether a file of this declared size is cut alone.
    #[must_use]
    pub fn is_large(&self, file_bytes: u64) -> bool {
        file_bytes >= self.params.large_file_bytes()
    }

    /// Whether the group must end before a small file is added to it.
    #[must_use]
    pub fn ends_before(&self, group_bytes: u64, file_bytes: u64) -> bool {
        group_bytes > 0 && group_bytes.saturating_add(file_bytes) > u64::from(self.params.max_bytes())
    }

    /// Whether the group ends after a small file whose hash is `hash`. `group_bytes` includes that file. A group
    /// ends every `avg` bytes on average, so a file's chance to end it grows with its size.
    #[must_use]
    pub fn ends_after(&self, group_bytes: u64, file_bytes: u64, hash: u64) -> bool {
        let avg = u64::from(self.params.avg_bytes());
        let spread = if group_bytes < avg { 2 * avg } else { avg / 2 };
        let low = hash & 0xffff_ffff;
        group_bytes >= u64::from(self.params.min_bytes())
            && u128::from(low) * u128::from(spread) < u128::from(file_bytes) << 32
    }
}
