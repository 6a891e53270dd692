//! BLAKE3 of a whole image from blocks that are hashed apart, in any order, on any core: each aligned
//! block is a subtree of BLAKE3's tree (BLAKE3 paper, section 2.1; the `blake3::hazmat` interface).

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a block: a power of two, so that a block is a whole subtree. Only the last may be shorter.
pub const BLOCK_BYTES: u64 = 4 << 20;

/// The chaining value of block number `index` of an image of more than one block.
#[must_use]
pub fn block_value(index: u64, block: &[u8]) -> ChainingValue {
    blake3::Hasher::new().set_input_offset(index * BLOCK_BYTES).update(block).finalize_non_root()
}

/// Collects blocks' values in order. The first block is kept back until a second one shows that it is not the root.
#[derive(Default)]
pub struct ImageDigest {
    values: Vec<ChainingValue>,
    only: Option<[u8; 32]>,
}

impl ImageDigest {
    /// Appends the next block's value. `root` is the plain hash of the block, asked for only when it is the first.
    pub fn push(&mut self, value: ChainingValue, root: impl FnOnce() -> [u8; 32]) {
        if self.values.is_empty() {
            self.only = Some(root());
        }
        self.values.push(value);
    }

    /// BLAKE3 of all blocks' bytes.
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

/// The left subtree holds the largest power of two of blocks that leaves something for the right one.
fn left_blocks(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Recursion is as deep as the tree: at most 64.
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
