//! Blocks that an encoder fills up, in the coding of a disk image. docs/format/index-2.md, section 6.

use std::sync::Arc;

use crate::disk_coding::{MAX_BLOCK_PLAIN_BYTES, MOST_EXPANSION};
use crate::{IndexError, RUN_DIGEST_BYTES};

/// Compressed blocks in groups. In each group they follow each other, and each takes as many plain bytes as its encoder gets
/// into it, so that how many they are follows from the plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledRun {
    /// The encoder's number and parameters, in the form of regrow-disk.
    pub encoder: Arc<[u8]>,
    /// The groups, at least one.
    pub groups: Vec<FilledGroup>,
    /// The number of blocks of all groups.
    pub count: u64,
    /// The size in bytes of all blocks in their compressed form.
    pub coded_bytes: u64,
    /// The beginning of the BLAKE3 hash of these bytes, as of a [`BlockRun`](crate::BlockRun).
    pub digest: [u8; RUN_DIGEST_BYTES],
}

/// Blocks that follow each other, such as those of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilledGroup {
    /// The number of bytes before the first block, which are the same in both images.
    pub gap_bytes: u64,
    /// The number of plain bytes of its blocks.
    pub plain_bytes: u32,
    /// The number of plain bytes behind them that the encoder looks at, too.
    pub behind_bytes: u32,
}

impl FilledRun {
    /// The number of bytes before the groups' blocks.
    fn gaps_bytes(&self) -> Option<u64> {
        self.groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.gap_bytes))
    }

    /// The number of plain bytes of all blocks.
    fn blocks_bytes(&self) -> u64 {
        // There are fewer than 2^32 groups.
        self.groups.iter().map(|group| u64::from(group.plain_bytes)).sum()
    }

    /// The number of bytes in the image as it is stored.
    pub(crate) fn stored(&self) -> Option<u64> {
        self.gaps_bytes()?.checked_add(self.coded_bytes)
    }

    /// The number of bytes in the plain image.
    pub(crate) fn plain(&self) -> Option<u64> {
        self.gaps_bytes()?.checked_add(self.blocks_bytes())
    }

    /// The largest number of plain bytes that make a group, those behind it included.
    #[must_use]
    pub fn largest_bytes(&self) -> u64 {
        let bytes = |group: &FilledGroup| u64::from(group.plain_bytes) + u64::from(group.behind_bytes);
        self.groups.iter().map(bytes).max().unwrap_or(0)
    }

    /// The number of plain bytes behind the run that its encoder looks at, too.
    #[must_use]
    pub fn behind_bytes(&self) -> u64 {
        let (mut most, mut after) = (0, 0u64);
        for group in self.groups.iter().rev() {
            most = most.max(u64::from(group.behind_bytes).saturating_sub(after));
            after = after.saturating_add(group.gap_bytes).saturating_add(group.plain_bytes.into());
        }
        most
    }

    /// Refuses what no disk image has.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let fits = |group: &FilledGroup| {
            (1..=MAX_BLOCK_PLAIN_BYTES).contains(&group.plain_bytes) && group.behind_bytes <= MAX_BLOCK_PLAIN_BYTES
        };
        let is_possible = !self.groups.is_empty()
            && self.groups.len() as u64 <= self.count
            && self.count <= self.coded_bytes
            && self.groups.iter().all(fits)
            && self.blocks_bytes() / MOST_EXPANSION <= self.coded_bytes;
        if is_possible { Ok(()) } else { Err(IndexError::Malformed("a run of filled blocks")) }
    }
}
