//! Trees of nodes: their items, in the order of their keys.

use crate::DiskError;
use crate::input::{Input, u32_at, u64_at};

use super::chunks::{ChunkMap, Place};
use super::superblock::{Root, Superblock};

const HEADER_BYTES: usize = 101;
/// The bytes of an item's head in a leaf, and of a pointer in another node.
const ITEM_BYTES: usize = 25;
const POINTER_BYTES: usize = 33;
/// A tree has at most eight levels.
const MAX_LEVEL: u8 = 7;

/// The key of an item. Items of a tree are in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) object: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

impl Key {
    /// Reads a key from at least 17 bytes.
    pub(super) fn read(raw: &[u8]) -> Self {
        Self { object: u64_at(raw, 0), kind: raw.get(8).copied().unwrap_or(0), offset: u64_at(raw, 9) }
    }
}

/// Takes an item: its key, its bytes, and their logical place.
pub(super) type Take<'t> = dyn FnMut(Key, &[u8], u64) -> Result<(), DiskError> + 't;

/// What reads trees. All nodes that it reads have no more bytes together than the image, although subvolumes may share
/// them, so that reading takes time in proportion to the image.
pub(super) struct Trees<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    left: u64,
    /// The places of the nodes that were read.
    nodes: Vec<Place>,
}

impl<'i> Trees<'i> {
    pub(super) fn new(input: &'i Input<'i>, superblock: &'i Superblock) -> Self {
        Self { input, superblock, left: input.image.most_bytes(), nodes: Vec::new() }
    }

    /// The places of the nodes that were read.
    pub(super) fn nodes(&self) -> &[Place] {
        &self.nodes
    }

    /// Gives the items of a tree to `take`, in their order.
    pub(super) fn read(&mut self, chunks: &ChunkMap, root: Root, take: &mut Take<'_>) -> Result<(), DiskError> {
        if root.level > MAX_LEVEL {
            return Err(self.input.damaged("a tree of too many levels"));
        }
        let mut last = None;
        // The nodes that are still to be read, the next one last.
        let mut waiting = vec![root];
        while let Some(next) = waiting.pop() {
            let node = self.node(chunks, next)?;
            // The header is there.
            let count = u32_at(&node, 96) as usize;
            let each = if next.level == 0 { ITEM_BYTES } else { POINTER_BYTES };
            let heads = count.checked_mul(each).and_then(|bytes| node.get(HEADER_BYTES..)?.get(..bytes));
            let heads = heads.ok_or_else(|| self.input.damaged("the items of a node"))?;
            if next.level > 0 {
                let children =
                    heads.chunks_exact(each).map(|head| Root { at: u64_at(head, 17), level: next.level - 1 });
                waiting.extend(children.rev());
                continue;
            }
            for head in heads.chunks_exact(each) {
                let key = Key::read(head);
                // Nothing is read twice in one tree, however its nodes point at each other.
                if last.is_some_and(|last| last >= key) {
                    return Err(self.input.damaged("the order of items"));
                }
                last = Some(key);
                let (from, bytes) = (HEADER_BYTES + u32_at(head, 17) as usize, u32_at(head, 21) as usize);
                let item = node.get(from..).and_then(|rest| rest.get(..bytes));
                let item = item.ok_or_else(|| self.input.damaged("an item that leaves its leaf"))?;
                take(key, item, next.at + from as u64)?;
            }
        }
        Ok(())
    }

    /// Reads a node, whose header must be what is expected.
    fn node(&mut self, chunks: &ChunkMap, Root { at, level }: Root) -> Result<Vec<u8>, DiskError> {
        let bytes = self.superblock.node_bytes;
        let limit = self.input.image.most_bytes();
        let too_large = DiskError::TooLarge { kind: self.input.kind, limit, what: "bytes of trees" };
        self.left = self.left.checked_sub(bytes).ok_or(too_large)?;
        let place = chunks.place(at, bytes).ok_or_else(|| self.input.damaged("the place of a node"))?;
        let node = self.input.read(place.at, bytes, "a node")?;
        let fits = node.get(32..48) == Some(&self.superblock.fsid) && u64_at(&node, 48) == at && node[100] == level;
        if !fits {
            return Err(self.input.damaged("the header of a node"));
        }
        self.nodes.push(place);
        Ok(node)
    }
}
