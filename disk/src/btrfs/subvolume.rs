//! The tree of a subvolume: its inodes, the entries of its directories, and where its files lie.

use std::collections::HashSet;
use std::ops::Range;

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

use super::chunks::ChunkMap;
use super::superblock::Root;
use super::tree::{Key, Trees};

const INODE_ITEM: u8 = 1;
const DIR_INDEX: u8 = 96;
const EXTENT_DATA: u8 = 108;
pub(super) const ROOT_ITEM: u8 = 132;

const INODE_BYTES: usize = 160;
/// The bytes of an entry of a directory before its name.
pub(super) const ENTRY_BYTES: usize = 30;
/// The bytes of an extent before an inline one's data, and of another one.
const EXTENT_HEAD_BYTES: usize = 21;
const EXTENT_BYTES: usize = 53;
const EXTENT_INLINE: u8 = 0;
const EXTENT_REGULAR: u8 = 1;
const EXTENT_PREALLOCATED: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Regular,
    Directory,
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    number: u64,
    pub(super) file_type: FileType,
    pub(super) bytes: u64,
}

/// What an entry of a directory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Inode(u64),
    /// The subvolume whose tree has this number.
    Subvolume(u64),
}

/// An entry of a directory.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    directory: u64,
    pub(super) target: Target,
    /// Where its name is in all names.
    name: Range<usize>,
}

/// An extent of a file that is no hole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    inode: u64,
    /// Where it begins in the file.
    pub(super) file_at: u64,
    pub(super) form: Form,
    /// The bytes of the file that it holds.
    pub(super) bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The file's bytes, which are at this logical place.
    Plain(u64),
    /// The file's bytes, which are at this logical place, in a leaf.
    Inline(u64),
    /// Not the file's bytes: it is compressed, or encoded in another way.
    Encoded,
}

/// What the tree of a subvolume has, in the order of its keys.
#[derive(Debug, Default)]
pub(super) struct Subvolume {
    inodes: Vec<Inode>,
    entries: Vec<Entry>,
    names: Vec<u8>,
    extents: Vec<Extent>,
    met: HashSet<u64>,
}

impl Subvolume {
    pub(super) fn read(
        input: &Input<'_>,
        trees: &mut Trees<'_>,
        chunks: &ChunkMap,
        root: Root,
    ) -> Result<Self, DiskError> {
        let mut subvolume = Self::default();
        trees.read(chunks, root, &mut |key, item, at| {
            let taken = match key.kind {
                INODE_ITEM => subvolume.inode_item(key, item).ok_or("an inode"),
                DIR_INDEX => subvolume.entry(key, item).ok_or("an entry of a directory"),
                EXTENT_DATA => subvolume.extent(key, item, at).ok_or("an extent"),
                _ => Ok(()),
            };
            taken.map_err(|what| input.damaged(what))
        })?;
        Ok(subvolume)
    }

    fn inode_item(&mut self, key: Key, item: &[u8]) -> Option<()> {
        let item = item.get(..INODE_BYTES)?;
        let file_type = match u32_at(item, 52) >> 12 & 0xf {
            0x8 => FileType::Regular,
            0x4 => FileType::Directory,
            _ => FileType::Other,
        };
        self.inodes.push(Inode { number: key.object, file_type, bytes: u64_at(item, 16) });
        Some(())
    }

    fn entry(&mut self, key: Key, item: &[u8]) -> Option<()> {
        let location = Key::read(item.get(..ENTRY_BYTES)?);
        let target = match location.kind {
            INODE_ITEM => Target::Inode(location.object),
            ROOT_ITEM => Target::Subvolume(location.object),
            _ => return None,
        };
        let name = item.get(ENTRY_BYTES..)?.get(..u16_at(item, 27).into())?;
        let from = self.names.len();
        self.names.extend_from_slice(name);
        self.entries.push(Entry { directory: key.object, target, name: from..self.names.len() });
        Some(())
    }

    fn extent(&mut self, key: Key, item: &[u8], at: u64) -> Option<()> {
        let is_encoded = item.get(16..20)?.iter().any(|&byte| byte != 0);
        let kind = *item.get(20)?;
        let (form, bytes) = match kind {
            EXTENT_INLINE if is_encoded => (Form::Encoded, u64_at(item, 8)),
            EXTENT_INLINE => (Form::Inline(at + EXTENT_HEAD_BYTES as u64), (item.len() - EXTENT_HEAD_BYTES) as u64),
            EXTENT_REGULAR | EXTENT_PREALLOCATED if item.len() < EXTENT_BYTES => return None,
            EXTENT_PREALLOCATED => return Some(()),
            EXTENT_REGULAR if u64_at(item, 21) == 0 => return Some(()),
            EXTENT_REGULAR if is_encoded => (Form::Encoded, u64_at(item, 45)),
            EXTENT_REGULAR => (Form::Plain(u64_at(item, 21).checked_add(u64_at(item, 37))?), u64_at(item, 45)),
            _ => return None,
        };
        let before = self.extents.last().filter(|last| last.inode == key.object);
        let is_behind = before.is_none_or(|last| last.file_at + last.bytes <= key.offset);
        key.offset.checked_add(bytes).filter(|_| is_behind)?;
        self.extents.push(Extent { inode: key.object, file_at: key.offset, form, bytes });
        Some(())
    }

    /// Meets an inode. The result is `None` if it was met before, or is not there.
    pub(super) fn meet(&mut self, number: u64) -> Option<Inode> {
        let found = self.inodes.binary_search_by_key(&number, |inode| inode.number).ok()?;
        self.met.insert(number).then(|| self.inodes[found])
    }

    /// The numbers of a directory's entries.
    pub(super) fn entries(&self, directory: u64) -> Range<usize> {
        let from = self.entries.partition_point(|entry| entry.directory < directory);
        from..self.entries.partition_point(|entry| entry.directory <= directory)
    }

    /// An entry, by its number, and its name.
    pub(super) fn named(&self, number: usize) -> (&[u8], Target) {
        let entry = &self.entries[number];
        (&self.names[entry.name.clone()], entry.target)
    }

    /// The extents of an inode, in the file's order.
    pub(super) fn extents(&self, inode: Inode) -> &[Extent] {
        let from = self.extents.partition_point(|extent| extent.inode < inode.number);
        let end = self.extents.partition_point(|extent| extent.inode <= inode.number);
        &self.extents[from..end]
    }
}
