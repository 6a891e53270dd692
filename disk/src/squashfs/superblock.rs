//! The superblock, and the compressor's options behind it.

use std::fmt;

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

const MAGIC: &[u8; 4] = b"hsqs";
const SUPERBLOCK_BYTES: u64 = 96;
const FLAG_OPTIONS: u16 = 0x400;
/// What stands for a table that is not there.
pub(super) const NO_TABLE: u64 = u64::MAX;

/// The compressors, by the names that mksquashfs gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Gzip,
    Lzo,
    Xz,
    Lz4,
    Zstd,
}

#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) inodes: u32,
    pub(super) block_bytes: u32,
    pub(super) fragments: u32,
    pub(super) ids: u16,
    pub(super) compressor: Compressor,
    /// The block of the root directory's inode in the table of inodes, and the place in it.
    pub(super) root: (u32, u16),
    /// The bytes of the file system. What follows them is none of it.
    pub(super) bytes_used: u64,
    /// Where the tables are, or [`NO_TABLE`].
    pub(super) id_table: u64,
    pub(super) attribute_table: u64,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_table: u64,
    pub(super) export_table: u64,
    /// The compressor's options, for people.
    options: String,
}

impl Superblock {
    /// `None` stands for an image that is none of this format.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < SUPERBLOCK_BYTES {
            return Ok(None);
        }
        let raw = input.read(0, SUPERBLOCK_BYTES, "the superblock")?;
        if !raw.starts_with(MAGIC) {
            return Ok(None);
        }
        if (u16_at(&raw, 28), u16_at(&raw, 30)) != (4, 0) {
            return Err(input.unsupported("a version other than 4.0"));
        }
        let compressor = match u16_at(&raw, 20) {
            1 => Compressor::Gzip,
            2 => return Err(input.unsupported("lzma compression")),
            3 => Compressor::Lzo,
            4 => Compressor::Xz,
            5 => Compressor::Lz4,
            6 => Compressor::Zstd,
            _ => return Err(input.unsupported("an unknown compression")),
        };
        let (block_bytes, block_log) = (u32_at(&raw, 12), u16_at(&raw, 22));
        if !(12..=20).contains(&block_log) || block_bytes != 1 << block_log {
            return Err(input.damaged("the superblock: the size of blocks"));
        }
        let bytes_used = u64_at(&raw, 40);
        if bytes_used > input.image.bytes() {
            return Err(input.damaged("the superblock: more bytes than the image has"));
        }
        let root = u64_at(&raw, 32);
        let root_block = u32::try_from(root >> 16).map_err(|_| input.damaged("the superblock: the root directory"))?;
        let has_options = u16_at(&raw, 24) & FLAG_OPTIONS != 0;
        let options = if has_options { compressor.options(input)? } else { String::new() };
        Ok(Some(Self {
            inodes: u32_at(&raw, 4),
            block_bytes,
            fragments: u32_at(&raw, 16),
            ids: u16_at(&raw, 26),
            compressor,
            root: (root_block, root as u16),
            bytes_used,
            id_table: u64_at(&raw, 48),
            attribute_table: u64_at(&raw, 56),
            inode_table: u64_at(&raw, 64),
            directory_table: u64_at(&raw, 72),
            fragment_table: u64_at(&raw, 80),
            export_table: u64_at(&raw, 88),
            options,
        }))
    }

    pub(super) fn details(&self) -> String {
        format!(
            "squashfs 4.0, {}{}, blocks of {} KiB, {} inodes",
            self.compressor,
            self.options,
            self.block_bytes >> 10,
            self.inodes
        )
    }
}

impl Compressor {
    /// The options that are not the compressor's own, which are in a block of metadata behind the superblock.
    fn options(self, input: &Input<'_>) -> Result<String, DiskError> {
        let raw = input.read(SUPERBLOCK_BYTES, 10, "the compressor's options")?;
        let (first, second) = (u32_at(&raw, 2), u32_at(&raw, 6));
        Ok(match self {
            Self::Gzip => format!(" level {first}, window {}", second & 0xffff),
            Self::Lzo => match first {
                0 => " by lzo1x_1".to_owned(),
                1..=3 => format!(" by lzo1x_1_{}", ["11", "12", "15"][first as usize - 1]),
                _ => format!(" level {second}"),
            },
            Self::Zstd => format!(" level {first}"),
            Self::Xz if second == 0 => format!(" with a dictionary of {} KiB", first >> 10),
            Self::Xz => format!(" with a dictionary of {} KiB and filters", first >> 10),
            Self::Lz4 => if second & 1 == 1 { "hc" } else { "" }.to_owned(),
        })
    }
}

impl fmt::Display for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Lzo => "lzo",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}
