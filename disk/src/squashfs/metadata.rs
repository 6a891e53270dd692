//! The tables, which are kept in blocks of metadata: two bytes with a size, then at most 8 KiB, compressed or not.

use super::superblock::{NO_TABLE, Superblock};
use crate::DiskError;
use crate::codec::decode;
use crate::input::{Input, u16_at, u32_at, u64_at};
use crate::pieces::Block;

/// The most bytes that a block of metadata holds.
const METADATA_BYTES: usize = 8192;
const HEADER_BYTES: u64 = 2;
/// The bit of a size that says that the block is not compressed.
const UNCOMPRESSED: u16 = 1 << 15;
/// The most bytes of all tables together: this many for any image, and more for each of its bytes, up to a bound.
const MAX_TABLE_BYTES: u64 = 64 << 20;
const TABLE_BYTES_EACH: u64 = 32;
const MAX_TABLE_BYTES_EVER: u64 = 1 << 30;

/// A decoded table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where each block begins, as the distance from the table's beginning in the image, and in `bytes`.
    blocks: Vec<(u64, usize)>,
    pub(super) bytes: Vec<u8>,
}

impl Table {
    /// The place in `bytes` of a block's beginning and an offset in it.
    pub(super) fn place(&self, block: u32, offset: u16) -> Option<usize> {
        let found = self.blocks.binary_search_by_key(&u64::from(block), |&(at, _)| at).ok()?;
        let end = self.blocks.get(found + 1).map_or(self.bytes.len(), |&(_, end)| end);
        let place = self.blocks[found].1 + usize::from(offset);
        (place < end).then_some(place)
    }
}

/// All tables of an image.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) inodes: Table,
    pub(super) directories: Table,
    pub(super) fragments: Vec<u8>,
    /// The compressed blocks of all tables.
    pub(super) blocks: Vec<Block>,
}

impl Tables {
    pub(super) fn read(input: &Input<'_>, superblock: &Superblock) -> Result<Self, DiskError> {
        let image = input.image.bytes();
        let most = (MAX_TABLE_BYTES + image.saturating_mul(TABLE_BYTES_EACH)).min(MAX_TABLE_BYTES_EVER);
        let mut reader = Reader { input, superblock, blocks: Vec::new(), left: most, most };
        let fragments = reader.indexed(superblock.fragment_table, u64::from(superblock.fragments) * 16)?;
        let export = match superblock.export_table {
            NO_TABLE => Indexed::default(),
            at => reader.indexed(at, u64::from(superblock.inodes) * 8)?,
        };
        let ids = reader.indexed(superblock.id_table, u64::from(superblock.ids) * 4)?;
        reader.attributes()?;
        let next = [fragments.start, export.start, ids.start].into_iter().flatten();
        let end = next.filter(|&at| at >= superblock.directory_table).min();
        let end = end.ok_or_else(|| input.damaged("the superblock: the places of tables"))?;
        let directories = reader.table(superblock.directory_table, end)?;
        let inodes = reader.table(superblock.inode_table, superblock.directory_table)?;
        Ok(Self { inodes, directories, fragments: fragments.bytes, blocks: reader.blocks })
    }
}

/// A table whose blocks are listed, with the list behind them.
#[derive(Debug, Default)]
struct Indexed {
    /// Where its first block begins, if there is one.
    start: Option<u64>,
    bytes: Vec<u8>,
}

struct Reader<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    blocks: Vec<Block>,
    /// The bytes that further tables may have, and how many there were.
    left: u64,
    most: u64,
}

impl Reader<'_> {
    /// A table of a known number of bytes, whose list of blocks is at `list`. The blocks end there.
    fn indexed(&mut self, list: u64, bytes: u64) -> Result<Indexed, DiskError> {
        let count = bytes.div_ceil(METADATA_BYTES as u64);
        if count == 0 {
            return Ok(Indexed::default());
        }
        let starts = self.within(list, count * 8)?;
        let starts: Vec<u64> = starts.chunks_exact(8).map(|start| u64_at(start, 0)).collect();
        let table = self.table(starts[0], list)?;
        let as_listed = table.blocks.iter().map(|&(at, _)| at + starts[0]).eq(starts.iter().copied());
        if !as_listed || table.bytes.len() as u64 != bytes {
            return Err(self.input.damaged("a list of blocks of metadata"));
        }
        Ok(Indexed { start: Some(starts[0]), bytes: table.bytes })
    }

    /// The tables of extended attributes.
    fn attributes(&mut self) -> Result<(), DiskError> {
        if self.superblock.attribute_table == NO_TABLE {
            return Ok(());
        }
        let head = self.within(self.superblock.attribute_table, 16)?;
        let (values, ids) = (u64_at(&head, 0), u32_at(&head, 8));
        let ids = self.indexed_behind(self.superblock.attribute_table, u64::from(ids) * 16)?;
        if let Some(end) = ids.start {
            self.table(values, end)?;
        }
        Ok(())
    }

    /// A table whose list of blocks has a head of 16 bytes.
    fn indexed_behind(&mut self, head: u64, bytes: u64) -> Result<Indexed, DiskError> {
        let count = bytes.div_ceil(METADATA_BYTES as u64);
        if count == 0 {
            return Ok(Indexed::default());
        }
        let first = u64_at(&self.within(head + 16, count * 8)?, 0);
        self.table(first, head)?;
        Ok(Indexed { start: Some(first), bytes: Vec::new() })
    }

    /// Decodes the blocks of metadata from `start` to `end`.
    fn table(&mut self, start: u64, end: u64) -> Result<Table, DiskError> {
        let stored = end.checked_sub(start).ok_or_else(|| self.input.damaged("the places of tables"))?;
        let stored = self.within(start, stored)?;
        let (mut table, mut at) = (Table::default(), 0u64);
        while at < stored.len() as u64 {
            let rest = &stored[at as usize..];
            let header = u16_at(rest, 0);
            let bytes = match header & !UNCOMPRESSED {
                0 => UNCOMPRESSED,
                bytes => bytes,
            };
            let block = rest.get(HEADER_BYTES as usize..).and_then(|rest| rest.get(..bytes.into()));
            let block = block.ok_or_else(|| self.input.damaged("a block of metadata"))?;
            table.blocks.push((at, table.bytes.len()));
            let is_compressed = header & UNCOMPRESSED == 0;
            self.block(block, start + at + HEADER_BYTES, is_compressed, &mut table.bytes)?;
            at += HEADER_BYTES + u64::from(bytes);
        }
        Ok(table)
    }

    fn block(&mut self, stored: &[u8], at: u64, is_compressed: bool, out: &mut Vec<u8>) -> Result<(), DiskError> {
        let before = out.len();
        if is_compressed {
            let plain = decode(self.superblock.compressor.codec(), stored, METADATA_BYTES);
            out.extend(plain.map_err(|_| self.input.damaged("a block of metadata"))?);
            let plain_bytes = (out.len() - before) as u32;
            self.blocks.push(Block { at, bytes: stored.len() as u64, plain_bytes });
        } else {
            out.extend_from_slice(stored);
        }
        let added = out.len() - before;
        if added == 0 || added > METADATA_BYTES {
            return Err(self.input.damaged("a block of metadata"));
        }
        let too_large = DiskError::TooLarge { kind: self.input.kind, limit: self.most, what: "bytes of tables" };
        self.left = self.left.checked_sub(added as u64).ok_or(too_large)?;
        Ok(())
    }

    /// Bytes of the file system.
    fn within(&self, at: u64, bytes: u64) -> Result<Vec<u8>, DiskError> {
        let there = at.checked_add(bytes).is_some_and(|end| end <= self.superblock.bytes_used);
        if !there {
            return Err(self.input.damaged("a table behind the end of the file system"));
        }
        self.input.read(at, bytes, "a table")
    }
}
