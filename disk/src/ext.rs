//! ext2, ext3 and ext4. docs/format/disk.md, section 4.
//!
//! The directories are read from the top, each one's entries before those of the directories in it. What an inode maps
//! is claimed as it is met: a file's bytes, the rest of its last block, and the blocks of directories and of maps.
//! Everything else, such as tables of inodes, the journal and free room, is claimed by nobody.

mod directory;
mod inode;
mod map;
mod superblock;

use std::collections::VecDeque;

use crate::claims::Claims;
use crate::input::{Input, NumberSet};
use crate::names::{Name, Names};
use crate::{DiskError, DiskKind, Division, DivisionRules, ReadAt, StoredPiece, StretchKind};

use inode::{FileType, Inode};
use superblock::Superblock;

/// The inode of the directory at the top.
const ROOT_INODE: u32 = 2;

/// Divides an image of ext2, ext3 or ext4. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt) -> Result<Option<Division>, DiskError> {
    let input = Input::new(image, DiskKind::Ext);
    let Some(superblock) = Superblock::read(&input)? else { return Ok(None) };
    let details = superblock.details();
    let mut walk = Walk::new(&input, &superblock);
    walk.all()?;
    let mut files = walk.names.into_files(image.most_bytes())?;
    walk.claims.give_runs(&mut files);
    Ok(Some(Division {
        kind: DiskKind::Ext,
        details,
        pieces: StoredPiece::plain_image(image.bytes()),
        stretches: walk.claims.into_stretches().finish(),
        files,
        rules: DivisionRules::V5,
        tree: None,
    }))
}

/// The walk through the directories.
struct Walk<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    claims: Claims,
    names: Names,
    /// The inodes that were met.
    inodes: NumberSet,
    /// The blocks that were read: of directories and of maps. None of them may have two uses, so that all of the walk
    /// takes time in proportion to the image.
    read: NumberSet,
    directories: VecDeque<(Inode, Name)>,
}

impl<'i> Walk<'i> {
    fn new(input: &'i Input<'i>, superblock: &'i Superblock) -> Self {
        Self {
            input,
            superblock,
            claims: Claims::new(DiskKind::Ext, input.image.bytes()),
            names: Names::new(DiskKind::Ext),
            inodes: NumberSet::new(u64::from(superblock.inodes) + 1),
            read: NumberSet::new(superblock.blocks),
            directories: VecDeque::new(),
        }
    }

    fn all(&mut self) -> Result<(), DiskError> {
        self.inodes.insert(ROOT_INODE.into());
        let root = self.superblock.inode(self.input, ROOT_INODE)?;
        if root.file_type != FileType::Directory {
            return Err(self.input.damaged("the root directory"));
        }
        self.directories.push_back((root, Name::ROOT));
        while let Some((directory, name)) = self.directories.pop_front() {
            self.directory(&directory, name)?;
        }
        Ok(())
    }

    fn directory(&mut self, directory: &Inode, folder: Name) -> Result<(), DiskError> {
        let block_bytes = self.superblock.block_bytes;
        let last = directory.bytes.div_ceil(block_bytes);
        let mut blocks = Vec::new();
        for run in self.map(directory)? {
            let count = run.blocks.min(last.saturating_sub(run.logical));
            self.claims.push(run.physical * block_bytes, count * block_bytes, StretchKind::Skeleton)?;
            blocks.extend((!run.unwritten).then_some(run.physical..run.physical + count));
        }
        for block in blocks.into_iter().flatten() {
            let bytes = self.read_block(block)?;
            for entry in directory::entries(&bytes) {
                let entry = entry.map_err(|what| self.input.damaged(what))?;
                self.entry(entry.inode, entry.name, folder)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, number: u32, name: &[u8], folder: Name) -> Result<(), DiskError> {
        if number > self.superblock.inodes {
            return Err(self.input.damaged("an inode's number in a directory"));
        }
        if !self.inodes.insert(number.into()) {
            // Another name of a file that was met.
            return Ok(());
        }
        let inode = self.superblock.inode(self.input, number)?;
        if let Some(block) = inode.attributes {
            self.claims.push(self.block_at(block)?, self.superblock.block_bytes, StretchKind::Skeleton)?;
        }
        match inode.file_type {
            FileType::Directory => {
                inode.check_directory().map_err(|feature| self.input.unsupported(feature))?;
                let name = self.names.add(folder, name)?;
                self.directories.push_back((inode, name));
            }
            FileType::Regular if inode.bytes > 0 => {
                let name = self.names.add(folder, name)?;
                self.names.file(name);
                self.claims.begin_file(inode.bytes);
                self.data(&inode, true)?;
            }
            FileType::LongLink => self.data(&inode, false)?,
            FileType::Regular | FileType::Other => {}
        }
        Ok(())
    }

    /// Claims the bytes of a file, or of a link, and the rest of a block that they end in.
    fn data(&mut self, inode: &Inode, is_file: bool) -> Result<(), DiskError> {
        let block_bytes = self.superblock.block_bytes;
        for run in self.map(inode)? {
            let (start, end) = (run.logical * block_bytes, (run.logical + run.blocks) * block_bytes);
            let end = end.min(inode.bytes);
            if run.unwritten || end <= start {
                continue;
            }
            let (at, bytes) = (run.physical * block_bytes, end - start);
            match is_file {
                true => self.claims.push_file(start, at, bytes)?,
                false => self.claims.push(at, bytes, StretchKind::Skeleton)?,
            }
            self.claims.push(at + bytes, bytes.next_multiple_of(block_bytes) - bytes, StretchKind::Skeleton)?;
        }
        Ok(())
    }

    /// Where a block that is read or claimed begins.
    fn block_at(&self, block: u64) -> Result<u64, DiskError> {
        let within = block > 0 && block < self.superblock.blocks;
        if within { Ok(block * self.superblock.block_bytes) } else { Err(self.input.damaged("the number of a block")) }
    }

    /// Reads a block of a directory or of a map.
    fn read_block(&mut self, block: u64) -> Result<Vec<u8>, DiskError> {
        let at = self.block_at(block)?;
        if !self.read.insert(block) {
            return Err(self.input.damaged("a block of directories or maps that has two uses"));
        }
        self.input.read(at, self.superblock.block_bytes, "a block")
    }

    /// Reads a block of a map, and claims it.
    fn map_block(&mut self, block: u64) -> Result<Vec<u8>, DiskError> {
        self.claims.push(self.block_at(block)?, self.superblock.block_bytes, StretchKind::Skeleton)?;
        self.read_block(block)
    }
}
