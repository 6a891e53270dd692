//! The hash tree of a disk image, which follows from all bytes before it. docs/format/disk.md, section 15.

use regrow_disk::{HashTree, TreeHasher};
use regrow_index::{DiskPiece, HashTreePiece};

/// A tree in the form of the division.
pub(super) fn tree_of(piece: &HashTreePiece) -> HashTree {
    HashTree { salt: piece.salt.clone(), data_blocks: piece.data_blocks }
}

/// The tree among some pieces, and its place in the plain image, counted from the first of them.
pub(super) fn placed_tree(pieces: &[DiskPiece]) -> Option<(HashTree, u64)> {
    let mut plain_at = 0u64;
    pieces.iter().find_map(|piece| {
        if let DiskPiece::HashTree(tree) = piece {
            return Some((tree_of(tree), plain_at));
        }
        plain_at = plain_at.saturating_add(piece.plain_bytes());
        None
    })
}

/// The tree among some pieces.
pub(super) fn tree_among(pieces: &[DiskPiece]) -> Option<HashTree> {
    placed_tree(pieces).map(|(tree, _)| tree)
}

/// Whether a disk image has a hash tree. All of such an image is made in order, since the tree follows from it.
#[must_use]
pub fn has_hash_tree(pieces: &[DiskPiece]) -> bool {
    tree_among(pieces).is_some()
}

/// What computes the tree among some pieces, from all bytes before it.
pub(super) fn hasher(pieces: &[DiskPiece]) -> Option<TreeHasher> {
    TreeHasher::new(&tree_among(pieces)?)
}
