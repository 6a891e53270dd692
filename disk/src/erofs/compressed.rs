//! The compressed files of an image.

use std::cmp::Reverse;

use super::clusters::{Cluster, Form};
use crate::pieces::{Block, Blocks};
use crate::{BlockCodec, StoredForm, StoredPiece};

/// The compressed files that a walk found.
#[derive(Debug, Clone, Default)]
pub(super) struct Compressed {
    pub(super) has_files: bool,
    /// The blocks, each with the number of bytes behind what it holds that its encoder may have looked at.
    blocks: Vec<(Block, u64)>,
    /// The number of clusters.
    pub(super) clusters: u64,
}

impl Compressed {
    pub(super) fn blocks(&self) -> Vec<Block> {
        self.blocks.iter().map(|&(block, _)| block).collect()
    }

    /// The size of the largest block.
    pub(super) fn largest_bytes(&self) -> Option<u64> {
        self.blocks.iter().map(|(block, _)| block.bytes).max()
    }

    /// Takes in the blocks among the clusters of a file.
    pub(super) fn add(&mut self, clusters: &[Cluster]) {
        self.has_files = true;
        self.clusters += clusters.len() as u64;
        let (mut behind, mut next_at) = (0, None);
        for cluster in clusters.iter().rev() {
            // Bytes of the file that follow in the plain image, without anything between.
            let is_whole = cluster.form == Form::Lz4 || cluster.bytes == cluster.stored_bytes;
            let follows = next_at == Some(cluster.at + cluster.stored_bytes) && is_whole;
            behind = if follows { behind } else { 0 };
            if cluster.form == Form::Lz4 {
                // A block holds at most 255 times its bytes, so this is below 2^32 unless the block itself is huge.
                let plain_bytes = u32::try_from(cluster.bytes).unwrap_or(u32::MAX);
                let block = Block { at: cluster.at, bytes: cluster.stored_bytes, plain_bytes };
                self.blocks.push((block, behind));
            }
            behind += cluster.bytes;
            next_at = (!matches!(cluster.form, Form::Turned(_))).then_some(cluster.at);
        }
    }

    /// The image front to back.
    pub(super) fn pieces(mut self, blocks: &Blocks) -> Vec<StoredPiece> {
        // The same block is there once, with the most bytes behind it.
        self.blocks.sort_unstable_by_key(|&(block, behind)| (block.at, Reverse(behind)));
        self.blocks.dedup_by_key(|(block, _)| block.at);
        let mut behind = self.blocks.into_iter().map(|(_, behind)| behind);
        let mut pieces = blocks.pieces(BlockCodec::Lz4);
        for piece in &mut pieces {
            if let StoredForm::Block { codec, plain_bytes } = piece.form {
                piece.form = StoredForm::Filled { codec, plain_bytes, behind: behind.next().unwrap_or(0) };
            }
        }
        pieces
    }
}
