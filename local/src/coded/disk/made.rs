//! The blocks that workers made, and the digests of runs of them.

use regrow_disk::codec::BlockError;
use regrow_index::RUN_DIGEST_BYTES;

use super::CodedBlocks;
use super::steps::BlockStep;

/// What a worker made.
pub(super) struct Made {
    /// Bytes that stand before the block as they are.
    pub(super) before: Vec<u8>,
    /// The block, if there is one.
    pub(super) coded: Vec<u8>,
    pub(super) step: Option<BlockStep>,
    /// The place of the block in the plain image, counted from the beginning of the disk image.
    pub(super) plain_at: u64,
    /// The plain bytes of a block that was taken from a seed, or that the base of a patch should hold.
    pub(super) taken_for: Option<Vec<u8>>,
}

impl Made {
    pub(super) fn plain(before: Vec<u8>) -> Self {
        Self { before, coded: Vec::new(), step: None, plain_at: 0, taken_for: None }
    }

    /// A block, which is looked for among those of seeds first. One that the base of a patch should hold is empty if it is
    /// not there.
    pub(super) fn block(
        before: Vec<u8>,
        (plain, plain_at): (Vec<u8>, u64),
        step: BlockStep,
        blocks: Option<&CodedBlocks>,
    ) -> Result<Self, BlockError> {
        let (coded, is_taken) = match blocks {
            Some(blocks) => step.encoder.encode_with(&plain, blocks)?,
            None => (step.encoder.encode(&plain)?, step.is_held()),
        };
        Ok(Self { before, coded, step: Some(step), plain_at, taken_for: is_taken.then_some(plain) })
    }
}

/// The beginning of the BLAKE3 hash of a run's blocks.
pub(super) type RunDigest = [u8; RUN_DIGEST_BYTES];

pub(super) fn digest_of(run: &[Made]) -> RunDigest {
    let mut hash = blake3::Hasher::new();
    run.iter().for_each(|made| {
        hash.update(&made.coded);
    });
    run_digest(&hash)
}

/// The digest of a run whose blocks were hashed.
pub(super) fn run_digest(hash: &blake3::Hasher) -> RunDigest {
    hash.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}
