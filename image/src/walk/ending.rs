//! How an image ends: what its walk tells of whether all of it is there.

use super::{Entry, Walker};
use crate::header::{BLOCK, is_zero};
use crate::level::{Level, Next};

/// Blocks of zeros that end a tar (POSIX).
const END_BLOCKS: u8 = 2;

/// How an image ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It is no tar, and nothing in it says how long it should be.
    NoTar,
    /// It is a tar with the blocks of zeros that end one.
    Marked,
    /// It is a tar of whole entries without those blocks.
    Unmarked,
    /// It is a tar that ends within an entry.
    Cut(Cut),
}

/// Where a tar is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The path of the entry, or of the last one before it where its header is not whole.
    pub path: Vec<u8>,
    /// Bytes of the entry that are missing, its padding included; `None` where its header is not whole.
    pub missing: Option<u64>,
}

impl Walker {
    /// How the image ends if no more bytes come; within a coded file, how that ends. To be asked before [`Walker::finish`].
    #[must_use]
    pub fn ending(&self) -> Ending {
        let base = self.base();
        let Some(level) = self.levels.get(base).filter(|level| level.is_tar) else { return Ending::NoTar };
        let cut = |missing| Ending::Cut(Cut { path: self.path.clone(), missing });
        let deeper = &self.levels[base + 1..];
        if let Some((outer, inner)) = deeper.split_first() {
            let taken: u64 = inner.iter().map(|level| level.size.saturating_sub(level.left)).sum();
            return cut(Some(outer.left.saturating_sub(taken) + padding_of(outer.size)));
        }
        let held = self.held.len() as u64;
        match level.next {
            // What is behind the entries, and no tar.
            Next::File { size: u64::MAX, .. } | Next::Search => whole(level),
            Next::File { left, size } => cut(Some(left.saturating_add(padding_of(size)))),
            Next::Data { size } => cut(Some(size.saturating_sub(held).saturating_add(padding_of(size)))),
            Next::Padding { left } => cut(Some(left)),
            Next::Extension { .. } | Next::Sparse { .. } => cut(None),
            Next::Block { .. } if level.awaits_entry => cut(None),
            Next::Block { .. } if level.zero_blocks == 0 && !is_zero(&self.held) => cut(None),
            Next::Block { .. } => whole(level),
        }
    }

    /// The path of the image's last entry, where a coded file is all of the image that of its last one.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Keeps the path of an entry of the image itself; of one in a coded file only where that is all of the image.
    pub(super) fn note_path(&mut self, entry: &Entry<'_>) {
        let base = self.base();
        if self.levels.len() == base + 1 && !self.levels[..base].iter().any(|level| level.is_tar) {
            self.path.clear();
            self.path.extend_from_slice(&entry.path());
        }
    }

    /// The level that an image's entries lie in, or those of the coded file that is being walked.
    pub(super) fn base(&self) -> usize {
        self.coded.unwrap_or(0)
    }
}

fn whole(level: &Level) -> Ending {
    if level.zero_blocks >= END_BLOCKS { Ending::Marked } else { Ending::Unmarked }
}

/// The padding, in bytes, that follows data of this length.
fn padding_of(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}
