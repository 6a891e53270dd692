//! BLAKE3 of a whole image from blocks that are hashed apart, in any order, on any core: each aligned
//! block is a subtree of BLAKE3's tree (BLAKE3 paper, section 2.1; the `blake3::hazmat` interface).

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// The size of a block in bytes. It is a power of two, so that a block is a whole subtree; only the last block may
/// be shorter.
pub const BLOCK_BYTES: u64 = 4 << 20;

/// The chaining value of the block with this index, in an image of more than one block.
#[must_use]
pub fn block_value(index: u64, block: &[u8]) -> ChainingValue {
    blake3::Hasher::new().set_input_offset(index * BLOCK_BYTES).update(block).finalize_non_root()
}

/// Collects the blocks' values in order. The first block's plain hash is kept too: it is the digest of an image
/// that has no second block.
#[derive(Default)]
pub struct ImageDigest {
    values: Vec<ChainingValue>,
    only: Option<[u8; 32]>,
}

impl ImageDigest {
    /// Appends the next block's value. `root` computes the plain hash of the block, and is called only for the
    /// first one.
    pub fn push(&mut self, value: ChainingValue, root: impl FnOnce() -> [u8; 32]) {
        if self.values.is_empty() {
            self.only = Some(root());
        }
        self.values.push(value);
    }

    /// The BLAKE3 hash of all blocks, end to end.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        match self.values.as_slice() {
            [] => *blake3::hash(b"").as_bytes(),
            [_] => self.only.unwrap_or_default(),
            values => {
                let (left, right) = values.split_at(left_blocks(values.len()));
                *merge_subtrees_root(&merge(left), &merge(right), Mode::Hash).as_bytes()
            }
        }
    }
}

/// The number of blocks in the left subtree: the largest power of two that leaves at least one block for the right
/// one.
fn left_blocks(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Merges the values of a subtree. The recursion is as deep as the tree, at most 64 levels.
fn merge(values: &[ChainingValue]) -> ChainingValue {
    match values {
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(left_blocks(values.len()));
            merge_subtrees_non_root(&merge(left), &merge(right), Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_blake3_at_block_borders() {
        let block = BLOCK_BYTES as usize;
        let mut bytes = vec![0; 5 * block + 1];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        for len in [0, 1, block - 1, block, block + 1, 2 * block, 3 * block - 7, 4 * block, 5 * block + 1] {
            let mut digest = ImageDigest::default();
            for (index, part) in bytes[..len].chunks(block).enumerate() {
                digest.push(block_value(index as u64, part), || *blake3::hash(part).as_bytes());
            }
            assert_eq!(digest.finish(), *blake3::hash(&bytes[..len]).as_bytes(), "{len}");
        }
    }
}
