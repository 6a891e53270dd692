//! The walk through the directories.

use std::collections::VecDeque;

use super::inode::Inode;
use super::metadata::Tables;
use super::superblock::Superblock;
use crate::DiskError;
use crate::input::{Input, NumberSet, u16_at, u32_at};
use crate::names::{Name, Names};

/// The bytes of the head of a group of entries, and of an entry before its name.
const GROUP_BYTES: usize = 12;
const ENTRY_BYTES: usize = 8;
/// A directory's size counts this many bytes more than its entries have.
const EXTRA_BYTES: u32 = 3;

/// Where a file's bytes are.
#[derive(Debug)]
pub(super) struct FileData {
    /// Where the first data block is.
    pub(super) start: u64,
    pub(super) bytes: u64,
    /// The data blocks' sizes as the inode has them.
    pub(super) sizes: Vec<u32>,
    pub(super) tail: Option<Tail>,
}

/// The end of a file in a fragment block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) fragment: u32,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

pub(super) struct Walk<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    tables: &'i Tables,
    pub(super) names: Names,
    /// The files that have bytes, by their numbers.
    pub(super) files: Vec<FileData>,
    /// The inodes that were met, by their places.
    met: NumberSet,
    /// The bytes of the tables that are not read yet. No part of them has two uses, so that the walk takes time in
    /// proportion to them.
    inode_bytes: usize,
    directory_bytes: usize,
    directories: VecDeque<(Listing, Name)>,
}

/// The entries of a directory in the table of directories.
#[derive(Debug, Clone, Copy)]
struct Listing {
    at: usize,
    bytes: usize,
}

impl<'i> Walk<'i> {
    pub(super) fn new(input: &'i Input<'i>, superblock: &'i Superblock, tables: &'i Tables) -> Self {
        Self {
            input,
            superblock,
            tables,
            names: Names::new(input.kind),
            files: Vec::new(),
            met: NumberSet::new(tables.inodes.bytes.len() as u64),
            inode_bytes: tables.inodes.bytes.len(),
            directory_bytes: tables.directories.bytes.len(),
            directories: VecDeque::new(),
        }
    }

    pub(super) fn all(&mut self) -> Result<(), DiskError> {
        let (block, offset) = self.superblock.root;
        self.inode(block, offset, None)?;
        if self.directories.is_empty() && !self.tables.directories.bytes.is_empty() {
            return Err(self.input.damaged("the root directory"));
        }
        while let Some((listing, folder)) = self.directories.pop_front() {
            self.listing(listing, folder)?;
        }
        Ok(())
    }

    fn listing(&mut self, listing: Listing, folder: Name) -> Result<(), DiskError> {
        let damaged = || self.input.damaged("a directory");
        let tables = self.tables;
        let mut rest = tables
            .directories
            .bytes
            .get(listing.at..)
            .and_then(|rest| rest.get(..listing.bytes))
            .ok_or_else(damaged)?;
        self.directory_bytes = self.directory_bytes.checked_sub(rest.len()).ok_or_else(damaged)?;
        while !rest.is_empty() {
            let (head, mut behind) =
                rest.split_at_checked(GROUP_BYTES).ok_or_else(|| self.input.damaged("a directory"))?;
            let (count, block) = (u32_at(head, 0), u32_at(head, 4));
            for _ in 0..=count {
                let name_bytes = usize::from(u16_at(behind, 6)) + 1;
                let (entry, left) = behind
                    .split_at_checked(ENTRY_BYTES + name_bytes)
                    .ok_or_else(|| self.input.damaged("a directory"))?;
                let name = self.names.add(folder, &entry[ENTRY_BYTES..])?;
                self.inode(block, u16_at(entry, 0), Some(name))?;
                behind = left;
            }
            rest = behind;
        }
        Ok(())
    }

    /// Meets an inode, which another name may have.
    fn inode(&mut self, block: u32, offset: u16, name: Option<Name>) -> Result<(), DiskError> {
        let damaged = || self.input.damaged("the place of an inode");
        let tables = self.tables;
        let place = tables.inodes.place(block, offset).ok_or_else(damaged)?;
        if !self.met.insert(place as u64) {
            return Ok(());
        }
        let raw = &tables.inodes.bytes[place..];
        match (Inode::read(raw).ok_or_else(damaged)?, name) {
            (Inode::Directory { bytes, .. }, _) if bytes <= EXTRA_BYTES => {}
            (Inode::Directory { block, offset, bytes }, name) => {
                let at = tables
                    .directories
                    .place(block, offset)
                    .ok_or_else(|| self.input.damaged("the place of a directory"))?;
                let listing = Listing { at, bytes: (bytes - EXTRA_BYTES) as usize };
                self.directories.push_back((listing, name.unwrap_or(Name::ROOT)));
            }
            (Inode::Regular { start, bytes, fragment, offset, head_bytes }, Some(name)) if bytes > 0 => {
                let block_bytes = u64::from(self.superblock.block_bytes);
                let count = if fragment.is_some() { bytes / block_bytes } else { bytes.div_ceil(block_bytes) };
                let list_bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
                let list = list_bytes.and_then(|bytes| raw[head_bytes..].get(..bytes)).ok_or_else(damaged)?;
                let taken = head_bytes + list.len();
                self.inode_bytes = self.inode_bytes.checked_sub(taken).ok_or_else(damaged)?;
                let sizes = list.chunks_exact(4).map(|size| u32_at(size, 0)).collect();
                // Less than a block.
                let tail_bytes = (bytes % block_bytes) as u32;
                let tail =
                    fragment.filter(|_| tail_bytes > 0).map(|fragment| Tail { fragment, offset, bytes: tail_bytes });
                self.names.file(name);
                self.files.push(FileData { start, bytes, sizes, tail });
            }
            (Inode::Regular { .. } | Inode::Other, _) => {}
        }
        Ok(())
    }
}
