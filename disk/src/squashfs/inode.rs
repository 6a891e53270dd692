//! Inodes.

use crate::input::{u16_at, u32_at, u64_at};

/// What stands for a file without an end in a fragment block.
const NO_FRAGMENT: u32 = u32::MAX;

/// What matters of an inode, and how many bytes it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inode {
    Directory { block: u32, offset: u16, bytes: u32 },
    Regular { start: u64, bytes: u64, fragment: Option<u32>, offset: u32, head_bytes: usize },
    Other,
}

impl Inode {
    /// Reads the inode at the beginning of `raw`. `None` stands for one that is cut off.
    pub(super) fn read(raw: &[u8]) -> Option<Self> {
        let fragment = |number: u32| (number != NO_FRAGMENT).then_some(number);
        let head_bytes = match u16_at(raw, 0) {
            1 | 2 => 32,
            8 => 40,
            9 => 56,
            _ => return Some(Self::Other),
        };
        raw.get(..head_bytes)?;
        Some(match u16_at(raw, 0) {
            1 => Self::Directory { block: u32_at(raw, 16), offset: u16_at(raw, 26), bytes: u16_at(raw, 24).into() },
            8 => Self::Directory { block: u32_at(raw, 24), offset: u16_at(raw, 34), bytes: u32_at(raw, 20) },
            2 => Self::Regular {
                start: u32_at(raw, 16).into(),
                bytes: u32_at(raw, 28).into(),
                fragment: fragment(u32_at(raw, 20)),
                offset: u32_at(raw, 24),
                head_bytes,
            },
            _ => Self::Regular {
                start: u64_at(raw, 16),
                bytes: u64_at(raw, 24),
                fragment: fragment(u32_at(raw, 44)),
                offset: u32_at(raw, 48),
                head_bytes,
            },
        })
    }
}
