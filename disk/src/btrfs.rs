//! btrfs. docs/format/disk.md, section 16.
//!
//! Places in the file system are logical; chunks say where in the image they are. Each subvolume has a tree, which is read
//! as a whole when its directory is met. Then the directories are read from the top, as in any file system.

mod chunks;
mod subvolume;
mod superblock;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{HashMap, VecDeque};

use crate::claims::Claims;
use crate::input::{Input, u32_at, u64_at};
use crate::names::{Name, Names};
use crate::{DiskError, DiskKind, Division, DivisionRules, ReadAt, StoredPiece, StretchKind};

use chunks::{ChunkMap, Place};
use subvolume::{ENTRY_BYTES, FileType, Form, Inode, ROOT_ITEM, Subvolume, Target};
use superblock::{Root, Superblock};
use tree::{Key, Trees};

/// The subvolume at the top.
const TOP_SUBVOLUME: u64 = 5;
/// The other subvolumes have this number or more.
const FIRST_SUBVOLUME: u64 = 256;
const DIR_ITEM: u8 = 84;
/// The bytes of a tree's item up to its level.
const ROOT_ITEM_BYTES: usize = 239;
/// This many bytes without a node are no part of a region of nodes.
const BORDERED_BYTES: u64 = 1 << 20;

/// Divides an image of btrfs. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt) -> Result<Option<Division>, DiskError> {
    let input = Input::new(image, DiskKind::Btrfs);
    let Some(superblock) = Superblock::read(&input)? else { return Ok(None) };
    let mut trees = Trees::new(&input, &superblock);
    let chunks = ChunkMap::read(&input, &superblock, &mut trees)?;
    let roots = Roots::read(&input, &superblock, &chunks, &mut trees)?;
    let (claims, names) = (Claims::new(DiskKind::Btrfs, image.bytes()), Names::new(DiskKind::Btrfs));
    let mut walk = Walk {
        input: &input,
        superblock: &superblock,
        chunks: &chunks,
        roots,
        trees,
        claims,
        names,
        subvolumes: Vec::new(),
        directories: VecDeque::new(),
    };
    walk.all()?;
    let details = superblock.details(&chunks, walk.subvolumes.len());
    let mut files = walk.names.into_files(image.most_bytes())?;
    walk.claims.give_runs(&mut files);
    Ok(Some(Division {
        kind: DiskKind::Btrfs,
        details,
        pieces: StoredPiece::plain_image(image.bytes()),
        stretches: walk.claims.into_stretches().finish(),
        files,
        rules: DivisionRules::V6,
        tree: None,
    }))
}

/// The tree of trees: the roots of subvolumes' trees, and the default subvolume.
struct Roots {
    /// The root and the directory at the top of each subvolume, until it is met.
    subvolumes: HashMap<u64, (Root, u64)>,
    default: u64,
}

impl Roots {
    fn read(
        input: &Input<'_>,
        superblock: &Superblock,
        chunks: &ChunkMap,
        trees: &mut Trees<'_>,
    ) -> Result<Self, DiskError> {
        let mut roots = Self { subvolumes: HashMap::new(), default: TOP_SUBVOLUME };
        trees.read(chunks, superblock.root, &mut |key, item, _| {
            if key.kind == DIR_ITEM && key.object == superblock.root_directory {
                if item.get(ENTRY_BYTES..) == Some(b"default") {
                    roots.default = Key::read(item).object;
                }
            } else if key.kind == ROOT_ITEM {
                let item = item.get(..ROOT_ITEM_BYTES).ok_or_else(|| input.damaged("the root of a tree"))?;
                let root = Root { at: u64_at(item, 176), level: item[238] };
                // One without references was removed.
                if is_subvolume(key.object) && u32_at(item, 216) > 0 {
                    roots.subvolumes.insert(key.object, (root, u64_at(item, 168)));
                }
            }
            Ok(())
        })?;
        Ok(roots)
    }
}

fn is_subvolume(number: u64) -> bool {
    number == TOP_SUBVOLUME || (FIRST_SUBVOLUME..=u64::MAX - FIRST_SUBVOLUME).contains(&number)
}

/// A directory of one of the subvolumes that were met.
struct Directory {
    subvolume: usize,
    inode: u64,
    name: Name,
}

/// The walk through the directories.
struct Walk<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    chunks: &'i ChunkMap,
    roots: Roots,
    trees: Trees<'i>,
    claims: Claims,
    names: Names,
    /// The subvolumes that were met.
    subvolumes: Vec<Subvolume>,
    directories: VecDeque<Directory>,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), DiskError> {
        self.subvolume(self.roots.default, Name::ROOT)?;
        if self.subvolumes.is_empty() {
            return Err(self.input.damaged("the default subvolume"));
        }
        self.directories()?;
        // What is outside of the default subvolume has the paths that it has there.
        self.subvolume(TOP_SUBVOLUME, Name::ROOT)?;
        self.directories()?;
        self.borders()
    }

    /// Claims borders of the regions of nodes, so that these are stretches of their own, without the free room around them.
    fn borders(&mut self) -> Result<(), DiskError> {
        let (node_bytes, border_bytes) = (self.superblock.node_bytes, self.superblock.sector_bytes);
        let places = self.trees.nodes().iter();
        let mut nodes: Vec<_> = places.flat_map(|place| std::iter::once(place.at).chain(place.twin)).collect();
        nodes.sort_unstable();
        let mut end = None;
        for at in nodes {
            if end.is_none_or(|end| at.saturating_sub(end) >= BORDERED_BYTES) {
                self.border(end)?;
                self.border(at.checked_sub(border_bytes))?;
            }
            // All nodes are in the image.
            end = end.max(Some(at + node_bytes));
        }
        let image_bytes = self.input.image.bytes();
        self.border(end.filter(|&end| image_bytes.saturating_sub(end) >= BORDERED_BYTES))
    }

    fn border(&mut self, at: Option<u64>) -> Result<(), DiskError> {
        match at {
            Some(at) => self.claims.push(at, self.superblock.sector_bytes, StretchKind::Skeleton),
            None => Ok(()),
        }
    }

    fn directories(&mut self) -> Result<(), DiskError> {
        while let Some(Directory { subvolume, inode, name }) = self.directories.pop_front() {
            for number in self.subvolumes[subvolume].entries(inode) {
                self.entry(subvolume, number, name)?;
            }
        }
        Ok(())
    }

    /// Meets a subvolume. One that is not there, or was met before, changes nothing.
    fn subvolume(&mut self, number: u64, name: Name) -> Result<(), DiskError> {
        let Some((root, top)) = self.roots.subvolumes.remove(&number) else { return Ok(()) };
        let mut subvolume = Subvolume::read(self.input, &mut self.trees, self.chunks, root)?;
        if subvolume.meet(top).is_none_or(|inode| inode.file_type != FileType::Directory) {
            return Err(self.input.damaged("the directory at the top of a subvolume"));
        }
        self.subvolumes.push(subvolume);
        self.directories.push_back(Directory { subvolume: self.subvolumes.len() - 1, inode: top, name });
        Ok(())
    }

    fn entry(&mut self, subvolume: usize, number: usize, folder: Name) -> Result<(), DiskError> {
        let (name, target) = self.subvolumes[subvolume].named(number);
        let number = match target {
            Target::Subvolume(number) if self.roots.subvolumes.contains_key(&number) => {
                let name = self.names.add(folder, name)?;
                return self.subvolume(number, name);
            }
            Target::Subvolume(_) => return Ok(()),
            Target::Inode(number) => number,
        };
        let name = self.names.add(folder, name)?;
        let Some(inode) = self.subvolumes[subvolume].meet(number) else { return Ok(()) };
        match inode.file_type {
            FileType::Directory => self.directories.push_back(Directory { subvolume, inode: number, name }),
            FileType::Regular if inode.bytes > 0 => {
                self.names.file(name);
                self.data(subvolume, inode)?;
            }
            FileType::Regular | FileType::Other => {}
        }
        Ok(())
    }

    /// Claims the bytes of a file, and the rest of a sector that they end in. What stands in a leaf is not claimed, since
    /// the leaf around it is found again by it.
    fn data(&mut self, subvolume: usize, inode: Inode) -> Result<(), DiskError> {
        let extents = self.subvolumes[subvolume].extents(inode).to_vec();
        let is_known = extents.iter().all(|extent| extent.form != Form::Encoded);
        self.claims.begin_file(if is_known { inode.bytes } else { 0 });
        for extent in extents {
            let bytes = extent.bytes.min(inode.bytes.saturating_sub(extent.file_at));
            match extent.form {
                Form::Inline(at) if is_known => {
                    let place = self.place(at, bytes)?;
                    self.claims.tell_run(extent.file_at, place.at, bytes);
                }
                Form::Plain(at) if bytes > 0 => {
                    let whole = bytes.next_multiple_of(self.superblock.sector_bytes);
                    let place = self.place(at, whole)?;
                    if is_known {
                        self.claims.tell_run(extent.file_at, place.at, bytes);
                    }
                    for at in std::iter::once(place.at).chain(place.twin) {
                        self.claims.claim_file(at, bytes)?;
                        self.claims.push(at + bytes, whole - bytes, StretchKind::Skeleton)?;
                    }
                }
                Form::Encoded | Form::Inline(_) | Form::Plain(_) => {}
            }
        }
        Ok(())
    }

    fn place(&self, at: u64, bytes: u64) -> Result<Place, DiskError> {
        self.chunks.place(at, bytes).ok_or_else(|| self.input.damaged("the place of an extent"))
    }
}
