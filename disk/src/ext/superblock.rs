//! The superblock and the descriptors of block groups.

use super::inode::Inode;
use crate::DiskError;
use crate::input::{Input, u16_at, u32_at};

const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_BYTES: u64 = 1024;
const MAGIC: u16 = 0xef53;
/// Blocks have at most 64 KiB.
const MAX_LOG_BLOCK_SIZE: u32 = 6;

const COMPAT_HAS_JOURNAL: u32 = 0x4;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_EXTENTS: u32 = 0x40;
const INCOMPAT_64BIT: u32 = 0x80;
/// Features that change where bytes lie, and are not understood.
const INCOMPAT_REFUSED: [(u32, &str); 4] =
    [(0x1, "compression"), (0x8, "journal_dev"), (0x1000, "dirdata"), (0x8000, "inline_data")];
/// filetype, needs_recovery, meta_bg, extent, 64bit, mmp, flex_bg, ea_inode, metadata_csum_seed, large_dir, encrypt,
/// casefold.
const INCOMPAT_KNOWN: u32 =
    0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x10000 | 0x20000;
const RO_COMPAT_BIGALLOC: u32 = 0x200;

/// The geometry of a file system.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    /// The number of inodes, the first of which is 1.
    pub(super) inodes: u32,
    inodes_per_group: u32,
    inode_bytes: u64,
    /// The block at which the table of inodes of each group begins.
    tables: Vec<u64>,
    /// ext2, ext3 or ext4.
    name: &'static str,
}

impl Superblock {
    /// Reads the superblock and the descriptors. `None` stands for an image that is none of this format.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < SUPERBLOCK_AT + SUPERBLOCK_BYTES {
            return Ok(None);
        }
        let bytes = input.read(SUPERBLOCK_AT, SUPERBLOCK_BYTES, "the superblock")?;
        let raw = Raw(&bytes);
        if u16_at(&bytes, 56) != MAGIC || u32_at(&bytes, 24) > MAX_LOG_BLOCK_SIZE || u32_at(&bytes, 76) > 1 {
            return Ok(None);
        }
        raw.check_features(input)?;
        let block_bytes = 1024 << u32_at(&bytes, 24);
        let blocks = raw.blocks();
        let groups = raw.groups(blocks).ok_or_else(|| input.damaged("the superblock: block groups"))?;
        let (inodes, inodes_per_group) = (u32_at(&bytes, 0), u32_at(&bytes, 40));
        let inode_bytes = raw.inode_bytes();
        let fits = |count: u64, each: u64| count.checked_mul(each).is_some_and(|all| all <= input.image.bytes());
        if !fits(blocks, block_bytes) {
            return Err(input.damaged("the superblock: more blocks than the image has"));
        }
        let product = groups.checked_mul(inodes_per_group.into());
        if product != Some(inodes.into()) || inodes < 2 || !fits(inodes.into(), inode_bytes) {
            return Err(input.damaged("the superblock: the number of inodes"));
        }
        if !(128..=block_bytes).contains(&inode_bytes) || !inode_bytes.is_power_of_two() {
            return Err(input.damaged("the superblock: the size of inodes"));
        }
        let tables = Descriptors { raw, block_bytes, groups }.tables(input)?;
        let name = raw.name();
        Ok(Some(Self { block_bytes, blocks, inodes, inodes_per_group, inode_bytes, tables, name }))
    }

    /// Reads an inode, whose number must be from 1 to [`Self::inodes`].
    pub(super) fn inode(&self, input: &Input<'_>, number: u32) -> Result<Inode, DiskError> {
        let from_0 = number.checked_sub(1).ok_or_else(|| input.damaged("an inode's number"))?;
        let (group, within) = (from_0 / self.inodes_per_group, from_0 % self.inodes_per_group);
        let table = self.tables.get(group as usize).filter(|&&table| table > 0 && table < self.blocks);
        let table = table.ok_or_else(|| input.damaged("a table of inodes"))?;
        let at = table * self.block_bytes + u64::from(within) * self.inode_bytes;
        Ok(Inode::read(&input.near(at, 128, "a table of inodes")?))
    }

    pub(super) fn details(&self) -> String {
        format!("{}, {} blocks of {} bytes", self.name, self.blocks, self.block_bytes)
    }
}

/// The superblock's bytes.
#[derive(Clone, Copy)]
struct Raw<'b>(&'b [u8]);

impl Raw<'_> {
    fn incompat(self, feature: u32) -> bool {
        u32_at(self.0, 96) & feature != 0
    }

    fn check_features(self, input: &Input<'_>) -> Result<(), DiskError> {
        if let Some(&(_, name)) = INCOMPAT_REFUSED.iter().find(|&&(feature, _)| self.incompat(feature)) {
            return Err(input.unsupported(name));
        }
        if self.incompat(!INCOMPAT_KNOWN) {
            return Err(input.unsupported("an unknown incompatible feature"));
        }
        if u32_at(self.0, 100) & RO_COMPAT_BIGALLOC != 0 {
            return Err(input.unsupported("bigalloc"));
        }
        Ok(())
    }

    fn blocks(self) -> u64 {
        let high = if self.incompat(INCOMPAT_64BIT) { u32_at(self.0, 336) } else { 0 };
        u64::from(high) << 32 | u64::from(u32_at(self.0, 4))
    }

    fn first_block(self) -> u64 {
        u32_at(self.0, 20).into()
    }

    fn blocks_per_group(self) -> u64 {
        u32_at(self.0, 32).into()
    }

    fn groups(self, blocks: u64) -> Option<u64> {
        let behind = blocks.checked_sub(self.first_block())?;
        (self.blocks_per_group() > 0 && behind > 0).then(|| behind.div_ceil(self.blocks_per_group()))
    }

    fn inode_bytes(self) -> u64 {
        if u32_at(self.0, 76) == 0 { 128 } else { u16_at(self.0, 88).into() }
    }

    /// The bytes of a group's descriptor.
    fn descriptor_bytes(self) -> u64 {
        if self.incompat(INCOMPAT_64BIT) { u16_at(self.0, 254).into() } else { 32 }
    }

    /// Whether a group has a copy of the superblock.
    fn has_copy(self, group: u64) -> bool {
        let power_of = |base: u64| {
            std::iter::successors(Some(1), |power| Some(power * base))
                .take_while(|&power| power <= group)
                .any(|power| power == group)
        };
        let (compat, ro_compat) = (u32_at(self.0, 92), u32_at(self.0, 100));
        match group {
            0 => true,
            _ if compat & 0x200 != 0 => [588, 592].iter().any(|&at| u64::from(u32_at(self.0, at)) == group),
            _ if ro_compat & 1 == 0 => true,
            _ => [3, 5, 7].into_iter().any(power_of),
        }
    }

    fn name(self) -> &'static str {
        match u32_at(self.0, 92) & COMPAT_HAS_JOURNAL != 0 {
            _ if self.incompat(INCOMPAT_EXTENTS) => "ext4",
            true => "ext3",
            false => "ext2",
        }
    }
}

/// The descriptors of block groups: one table, or one block of them for each meta group.
struct Descriptors<'b> {
    raw: Raw<'b>,
    block_bytes: u64,
    groups: u64,
}

impl Descriptors<'_> {
    /// The blocks at which the tables of inodes begin.
    fn tables(&self, input: &Input<'_>) -> Result<Vec<u64>, DiskError> {
        let each = self.raw.descriptor_bytes();
        let sound = (32..=1024).contains(&each) && each.is_power_of_two() && each <= self.block_bytes;
        if !sound || self.groups.checked_mul(each).is_none_or(|all| all > input.image.bytes()) {
            return Err(input.damaged("the superblock: descriptors of block groups"));
        }
        let per_block = self.block_bytes / each;
        let mut tables = Vec::new();
        for block in 0..self.groups.div_ceil(per_block) {
            let at = self.block(block, per_block).checked_mul(self.block_bytes);
            let at = at.ok_or_else(|| input.damaged("the descriptors of block groups"))?;
            let bytes = input.read(at, self.block_bytes, "the descriptors of block groups")?;
            for descriptor in bytes.chunks_exact(each as usize).take((self.groups - block * per_block) as usize) {
                let high = if each >= 64 { u32_at(descriptor, 40) } else { 0 };
                tables.push(u64::from(high) << 32 | u64::from(u32_at(descriptor, 8)));
            }
        }
        Ok(tables)
    }

    /// The block that has the descriptors of this number, in blocks of them.
    fn block(&self, number: u64, per_block: u64) -> u64 {
        let first = self.raw.first_block();
        if !self.raw.incompat(INCOMPAT_META_BG) || number < u32_at(self.raw.0, 260).into() {
            return first + 1 + number;
        }
        // `groups` bounds both factors.
        let group = number * per_block;
        let start = first.saturating_add(group.saturating_mul(self.raw.blocks_per_group()));
        // With blocks of 1 KiB, the superblock is in the block 1 of a file system that begins with block 1.
        start + u64::from(self.raw.has_copy(group))
    }
}
