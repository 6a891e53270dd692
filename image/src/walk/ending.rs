//! The ending of an image, by which the walk tells whether the image is complete.

use super::{Entry, Walker};
use crate::header::{BLOCK, is_zero};
use crate::level::{Level, Next};

/// The number of zero blocks that end a tar (POSIX).
const END_BLOCKS: u8 = 2;

/// The way in which an image ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The image is no tar, and nothing in it says how long it should be.
    NoTar,
    /// The image is a tar with the blocks of zeros that end one.
    Marked,
    /// The image is a tar of whole entries without those blocks.
    Unmarked,
    /// The image is a tar that ends within an entry.
    Cut(Cut),
}

/// The place at which a tar is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The path of the entry. If its header is not whole, this is the path of the last entry before it.
    pub path: Vec<u8>,
    /// The number of the entry's bytes that are missing, its padding included. It is `None` if the header is not
    /// whole.
    pub missing: Option<u64>,
}

impl Walker {
    /// The ending of the image if no more bytes come, or that of the coded file that is being walked. It must be
    /// asked for before [`Walker::finish`].
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
            // These are the bytes behind the entries, which are no tar.
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

    /// The path of the image's last entry. If one coded file is the whole image, this is the path of the last entry
    /// in it.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Keeps the path of an entry of the image itself. An entry in a coded file counts only if that file is the
    /// whole image.
    pub(super) fn note_path(&mut self, entry: &Entry<'_>) {
        let base = self.base();
        if self.levels.len() == base + 1 && !self.levels[..base].iter().any(|level| level.is_tar) {
            self.path.clear();
            self.path.extend_from_slice(&entry.path());
        }
    }

    /// The level in which the entries of the image lie, or those of the coded file that is being walked.
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
