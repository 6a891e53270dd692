//! Inodes.

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

const COMPACT_BYTES: u64 = 32;
const EXTENDED_BYTES: u64 = 64;

/// How an inode's bytes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Blocks that follow each other.
    Plain,
    /// The same, except that the last part stands behind the inode.
    Inline,
    /// Chunks, whose list stands behind the inode.
    Chunks,
    /// Compressed, with full entries of clusters behind the inode.
    CompressedFull,
    /// Compressed, with compact entries of clusters behind the inode.
    CompressedCompact,
}

/// What matters of an inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) is_regular: bool,
    pub(super) is_directory: bool,
    pub(super) layout: Layout,
    pub(super) bytes: u64,
    /// The first block, or how chunks are listed.
    pub(super) place: u32,
    /// Where the inode and its extended attributes end.
    pub(super) data_at: u64,
}

impl Inode {
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.layout, Layout::CompressedFull | Layout::CompressedCompact)
    }

    pub(super) fn read(input: &Input<'_>, at: u64) -> Result<Self, DiskError> {
        let format = u16_at(&input.near(at, 2, "an inode")?, 0);
        let is_extended = format & 1 == 1;
        let head_bytes = if is_extended { EXTENDED_BYTES } else { COMPACT_BYTES };
        let raw = input.near(at, head_bytes as usize, "an inode")?;
        let layout = match format >> 1 {
            0 => Layout::Plain,
            1 => Layout::CompressedFull,
            2 => Layout::Inline,
            3 => Layout::CompressedCompact,
            4 => Layout::Chunks,
            _ => return Err(input.unsupported("inodes of an unknown layout")),
        };
        let attributes = match u16_at(&raw, 2) {
            0 => 0,
            count => 12 + 4 * (u64::from(count) - 1),
        };
        let kind = u16_at(&raw, 4) >> 12;
        Ok(Self {
            is_regular: kind == 0x8,
            is_directory: kind == 0x4,
            layout,
            bytes: if is_extended { u64_at(&raw, 8) } else { u32_at(&raw, 8).into() },
            place: u32_at(&raw, 16),
            data_at: at + head_bytes + attributes,
        })
    }
}
