//! Which blocks a file has: trees of extents, and lists of blocks.

use super::{Inode, Walk};
use crate::DiskError;
use crate::input::{u16_at, u32_at};

const EXTENT_MAGIC: u16 = 0xf30a;
const EXTENT_BYTES: usize = 12;
const MAX_EXTENT_DEPTH: u16 = 5;
/// An extent of more blocks is unwritten: it reads as zeros, and has this many fewer blocks.
const MAX_WRITTEN: u16 = 32768;
/// The blocks that a list names by itself, before those that name blocks of lists.
const DIRECT_BLOCKS: usize = 12;

/// Blocks of a file that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The number of the first one in the file.
    pub(super) logical: u64,
    /// The number of the first one in the image.
    pub(super) physical: u64,
    pub(super) blocks: u64,
    /// Whether the blocks were only set aside.
    pub(super) unwritten: bool,
}

impl Walk<'_> {
    /// The runs of an inode, in the file's order. All of their blocks are in the image.
    pub(super) fn map(&mut self, inode: &Inode) -> Result<Vec<Run>, DiskError> {
        if inode.has_extents() { self.extents(&inode.map) } else { self.list(inode) }
    }

    fn extents(&mut self, root: &[u8]) -> Result<Vec<Run>, DiskError> {
        let mut runs = Vec::new();
        // The nodes that are still to be read, the next one last.
        let mut nodes: Vec<(u64, u16)> = Vec::new();
        let mut node = (root.to_vec(), None);
        loop {
            let (entries, depth) = self.extent_node(&node.0, node.1)?;
            if depth == 0 {
                entries.iter().try_for_each(|entry| self.extent(entry, &mut runs))?;
            } else {
                let children =
                    entries.iter().map(|entry| u64::from(u16_at(entry, 8)) << 32 | u64::from(u32_at(entry, 4)));
                nodes.extend(children.rev().map(|block| (block, depth - 1)));
            }
            let Some((block, depth)) = nodes.pop() else { return Ok(runs) };
            node = (self.map_block(block)?, Some(depth));
        }
    }

    /// The entries of a node, and its depth, which must be the one that the node above it gives.
    fn extent_node<'n>(&self, node: &'n [u8], expected: Option<u16>) -> Result<(Vec<&'n [u8]>, u16), DiskError> {
        let (count, depth) = (usize::from(u16_at(node, 2)), u16_at(node, 6));
        let entries: Vec<_> = node.chunks_exact(EXTENT_BYTES).skip(1).take(count).collect();
        let sound = u16_at(node, 0) == EXTENT_MAGIC && entries.len() == count && depth <= MAX_EXTENT_DEPTH;
        if !sound || expected.is_some_and(|expected| expected != depth) {
            return Err(self.input.damaged("a tree of extents"));
        }
        Ok((entries, depth))
    }

    fn extent(&self, entry: &[u8], runs: &mut Vec<Run>) -> Result<(), DiskError> {
        let len = u16_at(entry, 4);
        let unwritten = len > MAX_WRITTEN;
        let run = Run {
            logical: u32_at(entry, 0).into(),
            physical: u64::from(u16_at(entry, 6)) << 32 | u64::from(u32_at(entry, 8)),
            blocks: if unwritten { len - MAX_WRITTEN } else { len }.into(),
            unwritten,
        };
        let ordered = runs.last().is_none_or(|last| last.logical + last.blocks <= run.logical);
        if !ordered || run.blocks == 0 || run.physical == 0 || run.physical + run.blocks > self.superblock.blocks {
            return Err(self.input.damaged("an extent"));
        }
        runs.push(run);
        Ok(())
    }

    fn list(&mut self, inode: &Inode) -> Result<Vec<Run>, DiskError> {
        let per_block = self.superblock.block_bytes / 4;
        let mut list = List { runs: Vec::new(), next: 0, end: inode.bytes.div_ceil(self.superblock.block_bytes) };
        let (direct, indirect) = inode.map.split_at(DIRECT_BLOCKS * 4);
        self.list_of(&mut list, direct)?;
        let mut each = 1;
        // The lists that are still to be read, the next one last, and the blocks that each of their entries stands for.
        let mut lists: Vec<(u32, u64)> = Vec::new();
        for entry in numbers(indirect) {
            each *= per_block;
            lists.push((entry, each));
            while let Some((entry, covered)) = lists.pop() {
                if entry == 0 || list.next >= list.end {
                    list.next = list.next.saturating_add(covered);
                    continue;
                }
                let block = self.map_block(entry.into())?;
                match covered / per_block {
                    1 => self.list_of(&mut list, &block)?,
                    below => lists.extend(numbers(&block).rev().map(|entry| (entry, below))),
                }
            }
        }
        Ok(list.runs)
    }

    /// Adds blocks that a list names.
    fn list_of(&self, list: &mut List, entries: &[u8]) -> Result<(), DiskError> {
        for physical in numbers(entries).map(u64::from) {
            if physical >= self.superblock.blocks {
                return Err(self.input.damaged("a list of blocks"));
            }
            list.push(physical);
        }
        Ok(())
    }
}

/// The runs that a list of blocks makes.
struct List {
    runs: Vec<Run>,
    /// The number of the next block in the file.
    next: u64,
    /// The number of blocks that the file has.
    end: u64,
}

impl List {
    /// Adds the next block. 0 stands for a hole.
    fn push(&mut self, physical: u64) {
        let logical = self.next;
        self.next += 1;
        if physical == 0 || logical >= self.end {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.logical + last.blocks == logical && last.physical + last.blocks == physical => {
                last.blocks += 1;
            }
            _ => self.runs.push(Run { logical, physical, blocks: 1, unwritten: false }),
        }
    }
}

fn numbers(entries: &[u8]) -> impl DoubleEndedIterator<Item = u32> + '_ {
    entries.chunks_exact(4).map(|entry| u32_at(entry, 0))
}
