//! EROFS. docs/format/disk.md, section 7.
//!
//! The directories are read from the top. Files have blocks that follow each other, or chunks; the last part of a block
//! may stand behind the inode. Compressed files have clusters. Where a byte is in the plain image is known only when all
//! clusters are, so an image that has some is walked twice.

mod clusters;
mod compressed;
mod directory;
mod inode;

use std::collections::VecDeque;

use crate::claims::Claims;
use crate::input::{Input, NumberSet, u16_at, u32_at, u64_at};
use crate::names::{Name, Names};
use crate::pieces::Blocks;
use crate::{DiskError, DiskKind, Division, DivisionRules, FileRun, ReadAt, StoredPiece, StretchKind};

use clusters::{Cluster, Form};
use compressed::Compressed;
use inode::{Inode, Layout};

const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_BYTES: u64 = 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// The unit of inodes' numbers.
const SLOT_BYTES: u64 = 32;
/// Features that change where bytes lie, and are not understood.
const INCOMPAT_REFUSED: [(u32, &str); 2] = [(0x80, "48bit"), (0x100, "metabox")];
/// Zeros stand before compressed blocks that are not full.
const INCOMPAT_ZEROS_FIRST: u32 = 1;
/// Ends of files are in an inode of fragments, or clusters belong to several files.
const INCOMPAT_FRAGMENTS: u32 = 0x20;
/// zero_padding, compr_cfgs, chunked_file, device_table, ztailpacking, fragments, xattr_prefixes. What concerns
/// compressed files is refused with the first of them.
const INCOMPAT_KNOWN: u32 = 0x7f;
/// What stands for no block.
const NO_BLOCK: u32 = u32::MAX;

/// Divides an image of EROFS. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt, rules: DivisionRules) -> Result<Option<Division>, DiskError> {
    let input = Input::new(image, DiskKind::Erofs);
    let Some(superblock) = Superblock::read(&input)? else { return Ok(None) };
    let mut walk = Walk::new(&input, &superblock, rules, None);
    walk.all()?;
    let compressed = walk.compressed.clone();
    let details = superblock.details(&compressed);
    if !compressed.has_files {
        return walk.division(details, StoredPiece::plain_image(image.bytes()), DivisionRules::V5).map(Some);
    }
    let blocks = Blocks::new(&input, walk.compressed.blocks())?;
    let mut walk = Walk::new(&input, &superblock, rules, Some(&blocks));
    walk.all()?;
    walk.division(details, compressed.pieces(&blocks), DivisionRules::V6).map(Some)
}

#[derive(Debug)]
struct Superblock {
    block_bytes: u64,
    inodes: u64,
    root: u64,
    /// Where the inode 0 would be.
    inodes_at: u64,
    incompat: u32,
}

impl Superblock {
    fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < SUPERBLOCK_AT + SUPERBLOCK_BYTES {
            return Ok(None);
        }
        let raw = input.read(SUPERBLOCK_AT, SUPERBLOCK_BYTES, "the superblock")?;
        if u32_at(&raw, 0) != MAGIC {
            return Ok(None);
        }
        let (block_log, incompat) = (raw[12], u32_at(&raw, 80));
        if let Some(&(_, name)) = INCOMPAT_REFUSED.iter().find(|&&(feature, _)| incompat & feature != 0) {
            return Err(input.unsupported(name));
        }
        if incompat & !INCOMPAT_KNOWN != 0 {
            return Err(input.unsupported("an unknown incompatible feature"));
        }
        if u16_at(&raw, 86) > 0 {
            return Err(input.unsupported("several devices"));
        }
        if !(9..=16).contains(&block_log) || raw[90] != 0 {
            return Err(input.unsupported("blocks of an unknown size"));
        }
        let block_bytes = 1 << block_log;
        let inodes_at = u64::from(u32_at(&raw, 40)) * block_bytes;
        Ok(Some(Self { block_bytes, inodes: u64_at(&raw, 16), root: u16_at(&raw, 14).into(), inodes_at, incompat }))
    }

    /// The image in words for people.
    fn details(&self, compressed: &Compressed) -> String {
        let (inodes, block_bytes) = (self.inodes, self.block_bytes);
        let form = match (compressed.has_files, compressed.largest_bytes()) {
            (false, _) => "not compressed".to_owned(),
            (true, None) => "lz4".to_owned(),
            (true, Some(most)) => format!("lz4 in clusters of up to {} KiB", most.div_ceil(1024)),
        };
        format!("EROFS, {form}, {inodes} inodes, blocks of {block_bytes} bytes")
    }
}

/// The walk through the directories.
struct Walk<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    rules: DivisionRules,
    /// The blocks of the image, if they are known already. Until then, what is claimed is not right behind the first one.
    blocks: Option<&'i Blocks>,
    compressed: Compressed,
    claims: Claims,
    names: Names,
    /// The inodes that were met, by their places in units of [`SLOT_BYTES`].
    met: NumberSet,
    /// The bytes that directories and lists of chunks may still have. They take no more than the image has, so that the
    /// walk takes time in proportion to it.
    left: u64,
    directories: VecDeque<(Inode, Name)>,
}

impl<'i> Walk<'i> {
    fn new(input: &'i Input<'i>, superblock: &'i Superblock, rules: DivisionRules, blocks: Option<&'i Blocks>) -> Self {
        let bytes = input.image.bytes();
        Self {
            input,
            superblock,
            rules,
            blocks,
            compressed: Compressed::default(),
            claims: Claims::new(DiskKind::Erofs, blocks.map_or(bytes, Blocks::plain_bytes)),
            names: Names::new(DiskKind::Erofs),
            met: NumberSet::new(bytes / SLOT_BYTES + 1),
            left: bytes,
            directories: VecDeque::new(),
        }
    }

    fn all(&mut self) -> Result<(), DiskError> {
        self.meet(self.superblock.root, None)?;
        if self.directories.is_empty() {
            return Err(self.input.damaged("the root directory"));
        }
        while let Some((directory, folder)) = self.directories.pop_front() {
            self.directory(&directory, folder)?;
        }
        Ok(())
    }

    /// The division by what was walked through.
    fn division(self, details: String, pieces: Vec<StoredPiece>, rules: DivisionRules) -> Result<Division, DiskError> {
        let Self { names, mut claims, .. } = self;
        let mut files = names.into_files(self.input.image.most_bytes())?;
        claims.give_runs(&mut files);
        let (kind, stretches) = (DiskKind::Erofs, claims.into_stretches().finish());
        Ok(Division { kind, details, pieces, stretches, files, rules, tree: None })
    }

    /// Claims bytes of the image that are not compressed.
    fn claim(&mut self, at: u64, bytes: u64, kind: StretchKind) -> Result<(), DiskError> {
        let plain_at = self.plain_at(at, bytes)?;
        self.claims.push(plain_at, bytes, kind)
    }

    /// Claims bytes of the image that are not compressed for the present file.
    fn claim_file(&mut self, file_at: u64, at: u64, bytes: u64) -> Result<(), DiskError> {
        if bytes == 0 {
            return Ok(());
        }
        let plain_at = self.plain_at(at, bytes)?;
        self.claims.push_file(file_at, plain_at, bytes)
    }

    /// Where bytes of the image that are not compressed are in the plain image.
    fn plain_at(&self, at: u64, bytes: u64) -> Result<u64, DiskError> {
        match self.blocks {
            None => Ok(at),
            Some(blocks) if bytes == 0 || blocks.is_plain(at, bytes) => Ok(blocks.plain_at(at)),
            Some(_) => Err(self.input.damaged("compressed blocks that overlap")),
        }
    }

    fn directory(&mut self, directory: &Inode, folder: Name) -> Result<(), DiskError> {
        self.spend(directory.bytes)?;
        let mut bytes = Vec::new();
        for FileRun { plain_at: at, bytes: len, .. } in self.extents(directory)? {
            self.claim(at, len, StretchKind::Skeleton)?;
            bytes.extend(self.input.read(at, len, "a directory")?);
        }
        for block in bytes.chunks(self.superblock.block_bytes as usize) {
            for entry in directory::entries(block) {
                let entry = entry.map_err(|what| self.input.damaged(what))?;
                let name = self.names.add(folder, entry.name)?;
                self.meet(entry.inode, Some(name))?;
            }
        }
        Ok(())
    }

    /// Meets an inode, which another name may have.
    fn meet(&mut self, number: u64, name: Option<Name>) -> Result<(), DiskError> {
        let at = number.checked_mul(SLOT_BYTES).and_then(|at| at.checked_add(self.superblock.inodes_at));
        let at = at.filter(|&at| at < self.input.image.bytes());
        let at = at.ok_or_else(|| self.input.damaged("the number of an inode"))?;
        if !self.met.insert(at / SLOT_BYTES) {
            return Ok(());
        }
        let inode = Inode::read(self.input, at)?;
        self.claim(at, inode.data_at - at, StretchKind::Skeleton)?;
        if inode.is_directory {
            self.directories.push_back((inode, name.unwrap_or(Name::ROOT)));
        } else if let (true, Some(name)) = (inode.is_regular && inode.bytes > 0, name) {
            self.names.file(name);
            self.claims.begin_file(inode.bytes);
            self.data(&inode)?;
        }
        Ok(())
    }

    /// Claims the bytes of a file, and the rest of a block that they end in.
    fn data(&mut self, inode: &Inode) -> Result<(), DiskError> {
        if inode.is_compressed() {
            return self.compressed(inode);
        }
        let block_bytes = self.superblock.block_bytes;
        let mut extents = self.extents(inode)?.into_iter().peekable();
        while let Some(FileRun { file_at, plain_at: at, bytes }) = extents.next() {
            self.claim_file(file_at, at, bytes)?;
            let is_followed = extents.peek().is_some_and(|next| next.plain_at == at + bytes);
            if at != inode.data_at && !is_followed {
                let slack = bytes.next_multiple_of(block_bytes) - bytes;
                self.claim(at + bytes, slack, StretchKind::Skeleton)?;
            }
        }
        Ok(())
    }

    /// Claims the bytes of a compressed file, as far as its blocks are known, and the rest of blocks that are not compressed.
    fn compressed(&mut self, inode: &Inode) -> Result<(), DiskError> {
        if self.rules < DivisionRules::V6 || self.superblock.incompat & INCOMPAT_FRAGMENTS != 0 {
            return Err(self.input.unsupported(self.compression(inode)?));
        }
        // No two clusters share a block.
        let most = (self.input.image.bytes() / self.superblock.block_bytes).saturating_sub(self.compressed.clusters);
        let found = clusters::read(self.input, self.superblock, inode, most)?;
        self.spend(found.table_bytes)?;
        self.claim(found.table_at, found.table_bytes, StretchKind::Skeleton)?;
        self.compressed.add(&found.clusters);
        let Some(blocks) = self.blocks else { return Ok(()) };
        let mut file_at = 0;
        for &Cluster { bytes, at, stored_bytes, form } in &found.clusters {
            match form {
                Form::Lz4 => self.claims.push_file(file_at, blocks.plain_at(at), bytes)?,
                Form::Plain => {
                    self.claim_file(file_at, at, bytes)?;
                    self.claim(at + bytes, stored_bytes - bytes, StretchKind::Skeleton)?;
                }
                Form::Turned(from) => {
                    let first = bytes.min(stored_bytes - from);
                    self.claim_file(file_at, at + from, first)?;
                    self.claim_file(file_at + first, at, bytes - first)?;
                    self.claim(at + (bytes - first), stored_bytes - bytes, StretchKind::Skeleton)?;
                }
            }
            file_at += bytes;
        }
        Ok(())
    }

    /// Where the bytes of an inode are, all within the image, in their order.
    fn extents(&mut self, inode: &Inode) -> Result<Vec<FileRun>, DiskError> {
        let block_bytes = self.superblock.block_bytes;
        let extents = match inode.layout {
            Layout::Plain => {
                vec![FileRun { file_at: 0, plain_at: u64::from(inode.place) * block_bytes, bytes: inode.bytes }]
            }
            Layout::Inline => {
                let whole = inode.bytes.saturating_sub(1) / block_bytes * block_bytes;
                let tail = FileRun { file_at: whole, plain_at: inode.data_at, bytes: inode.bytes - whole };
                if tail.plain_at % block_bytes + tail.bytes > block_bytes {
                    return Err(self.input.damaged("the end of a file behind its inode"));
                }
                vec![FileRun { file_at: 0, plain_at: u64::from(inode.place) * block_bytes, bytes: whole }, tail]
            }
            Layout::Chunks => self.chunks(inode)?,
            Layout::CompressedFull | Layout::CompressedCompact => {
                return Err(self.input.unsupported(self.compression(inode)?));
            }
        };
        let there =
            |run: &FileRun| run.plain_at.checked_add(run.bytes).is_some_and(|end| end <= self.input.image.bytes());
        let extents: Vec<_> = extents.into_iter().filter(|run| run.bytes > 0).collect();
        if extents.iter().all(there) { Ok(extents) } else { Err(self.input.damaged("the place of a file")) }
    }

    /// The chunks of a file that are no holes.
    fn chunks(&mut self, inode: &Inode) -> Result<Vec<FileRun>, DiskError> {
        let format = inode.place & 0xffff;
        let (log, has_indexes) = (format & 0x1f, format & 0x20 != 0);
        let chunk_bytes = self.superblock.block_bytes.checked_mul(1 << log);
        let chunk_bytes = chunk_bytes.filter(|_| format <= 0x3f).ok_or_else(|| self.input.damaged("chunks"))?;
        let (each, block_at) = if has_indexes { (8, 4) } else { (4, 0) };
        let count = inode.bytes.div_ceil(chunk_bytes);
        let list_bytes = count.checked_mul(each).ok_or_else(|| self.input.damaged("chunks"))?;
        self.spend(list_bytes)?;
        let list_at = inode.data_at.next_multiple_of(each);
        let list = self.input.read(list_at, list_bytes, "chunks")?;
        self.claim(list_at, list_bytes, StretchKind::Skeleton)?;
        let mut found = Vec::new();
        for (number, entry) in (0..).zip(list.chunks_exact(each as usize)) {
            if has_indexes && u16_at(entry, 2) != 0 {
                return Err(self.input.unsupported("several devices"));
            }
            let (block, bytes) = (u32_at(entry, block_at), chunk_bytes.min(inode.bytes - number * chunk_bytes));
            if block != NO_BLOCK {
                let plain_at = u64::from(block) * self.superblock.block_bytes;
                FileRun { file_at: number * chunk_bytes, plain_at, bytes }.add(&mut found);
            }
        }
        Ok(found)
    }

    /// The feature that compresses a file.
    fn compression(&self, inode: &Inode) -> Result<&'static str, DiskError> {
        if self.superblock.incompat & INCOMPAT_FRAGMENTS != 0 {
            return Ok("fragments or dedupe");
        }
        if self.superblock.incompat & 0x10 != 0 {
            return Ok("ztailpacking");
        }
        let header = self.input.near(inode.data_at.next_multiple_of(8), 8, "the head of a compressed file")?;
        Ok(clusters::algorithm_name(header[6] & 0xf))
    }

    fn spend(&mut self, bytes: u64) -> Result<(), DiskError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| self.input.damaged("directories and lists that are longer than the image"))?;
        Ok(())
    }
}
