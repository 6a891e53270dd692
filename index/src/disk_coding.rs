//! How a coded disk image is made of its plain image: the pieces that stand in both, and the blocks that are compressed.
//! docs/format/index-2.md, section 6.

use std::sync::Arc;

use crate::coding::MOST_DEFLATE_EXPANSION;
use crate::{CodedFormat, FilledRun, IndexError};

const A_TREE: &str = "a hash tree of a disk image";

/// The largest number of plain bytes of one block.
pub const MAX_BLOCK_PLAIN_BYTES: u32 = 16 << 20;
/// The largest number of bytes that stand before each block of a run as they are.
pub const MAX_GAP_BYTES: u8 = 64;
/// The largest size in bytes of all blocks together that are kept in their compressed form.
pub const MAX_KEPT_BYTES: u64 = 16 << 20;
/// The most plain bytes that a block has for each compressed byte.
pub(crate) const MOST_EXPANSION: u64 = 32 << 10;
/// The number of bytes of a run's digest.
pub const RUN_DIGEST_BYTES: usize = 16;
/// The most bytes of a hash tree's salt.
pub(crate) const MAX_SALT_BYTES: usize = 32;
/// The numbers of a hash tree's blocks of data, of which a reader has all hashes in memory.
const TREE_DATA_BLOCKS: std::ops::RangeInclusive<u64> = 2..=1 << 19;
/// The bytes of a block of it, and the number of hashes in one.
const TREE_BLOCK_BYTES: u64 = 4096;
const TREE_BLOCK_HASHES: u64 = 128;
/// Sums stay below this, so that half of the range of a number is left for the rest of the image.
const MOST_BYTES: u64 = 1 << 62;

/// A coded disk image: in its plain image, what the compressed blocks hold stands in their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCoding {
    /// The image front to back, without a gap. There is at least one piece.
    pub pieces: Vec<DiskPiece>,
}

/// A piece of a coded disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskPiece {
    /// This many bytes, at least one, are the same in both images.
    Plain(u64),
    /// Compressed blocks in a row, which one encoder makes of the plain bytes.
    Run(Box<BlockRun>),
    /// Compressed blocks in groups, which one encoder fills up with the plain bytes.
    Filled(Box<FilledRun>),
    /// A compressed block that an encoder nearly makes.
    Corrected(Box<CorrectedBlock>),
    /// A compressed block that no encoder makes.
    Kept(Box<KeptBlock>),
    /// Compressed blocks in a row that the base of a patch has in the same form, so that neither encoders nor corrections
    /// are needed. The run has no encoder. Only patches have such pieces.
    Held(Box<BlockRun>),
    /// A compressed stream of any length.
    Stream(Box<StreamPiece>),
    /// A hash tree of all bytes before it. The plain image has nothing in its place.
    HashTree(Box<HashTreePiece>),
}

/// A hash tree of dm-verity, version 1: SHA-256 of the salt and of each block of 4,096 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTreePiece {
    /// What is hashed before each block.
    pub salt: Vec<u8>,
    /// The number of blocks of data, which are all bytes of the image before the tree.
    pub data_blocks: u64,
}

impl HashTreePiece {
    /// The bytes of the data, unless the salt is too long or the number of blocks is not allowed.
    fn data(&self) -> Option<u64> {
        let is_known = self.salt.len() <= MAX_SALT_BYTES && TREE_DATA_BLOCKS.contains(&self.data_blocks);
        is_known.then(|| self.data_blocks * TREE_BLOCK_BYTES)
    }

    /// The bytes of the tree.
    fn stored(&self) -> Option<u64> {
        self.data()?;
        let (mut blocks, mut sum) = (self.data_blocks, 0);
        while blocks > 1 {
            blocks = blocks.div_ceil(TREE_BLOCK_HASHES);
            sum += blocks;
        }
        Some(sum * TREE_BLOCK_BYTES)
    }
}

/// A compressed stream of any length, which follows from what an encoder makes of its plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPiece {
    /// The encoder's number and parameters, in the form of regrow-deflate, regrow-zstd or regrow-disk.
    pub encoder: Arc<[u8]>,
    /// The number of plain bytes.
    pub plain_bytes: u64,
    /// The size in bytes in its compressed form.
    pub coded_bytes: u64,
    /// The corrections of what the encoder makes. Usually there are none.
    pub corrections: Vec<u8>,
}

impl StreamPiece {
    fn check(&self) -> Result<(), IndexError> {
        let expansion = match CodedFormat::of_encoder(&self.encoder)? {
            CodedFormat::Gzip => MOST_DEFLATE_EXPANSION,
            CodedFormat::Zstd => MOST_EXPANSION,
        };
        let is_possible =
            self.plain_bytes > 0 && self.coded_bytes > 0 && self.plain_bytes / expansion <= self.coded_bytes;
        if is_possible { Ok(()) } else { Err(IndexError::Malformed("sizes of a compressed stream")) }
    }
}

/// Compressed blocks in a row, each of which an encoder makes of its plain bytes alone. How long each block is in its
/// compressed form follows from that, so only the sum is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRun {
    /// The encoder's number and parameters, in the form of regrow-disk.
    pub encoder: Arc<[u8]>,
    /// The number of bytes that stand before each block, the same in both images. Usually there are none.
    pub gap_bytes: u8,
    /// The number of plain bytes of the largest block.
    pub plain_bytes: u32,
    /// The number of blocks.
    pub count: u64,
    /// For each block, by how many plain bytes it is smaller than the largest one. Empty if they are all alike.
    pub smaller_by: Vec<u32>,
    /// The size in bytes of all blocks in their compressed form, without what stands before them.
    pub coded_bytes: u64,
    /// The beginning of the BLAKE3 hash of these bytes. A reader that finds a block compressed in an older image takes it from
    /// there, and knows by this that it is the one that the encoder makes.
    pub digest: [u8; RUN_DIGEST_BYTES],
}

/// A compressed block that follows from what an encoder makes of its plain bytes, and from corrections of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedBlock {
    /// The encoder's number and parameters, in the form of regrow-disk.
    pub encoder: Arc<[u8]>,
    /// The number of plain bytes.
    pub plain_bytes: u32,
    /// The size in bytes in its compressed form.
    pub coded_bytes: u32,
    /// The corrections, at least one byte.
    pub corrections: Vec<u8>,
}

/// A compressed block that is kept in its compressed form. Its plain bytes stand in the plain image all the same, so that
/// a machine that scans the image, and cannot prove anything, cuts it as its maker did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBlock {
    /// The number of plain bytes.
    pub plain_bytes: u32,
    /// The block itself.
    pub coded: Vec<u8>,
}

impl BlockRun {
    /// A run of blocks with these numbers of plain bytes. `coded` is the sum of their compressed sizes, and their digest.
    #[must_use]
    pub fn new(
        encoder: Arc<[u8]>,
        gap_bytes: u8,
        sizes: &[u32],
        (coded_bytes, digest): (u64, [u8; RUN_DIGEST_BYTES]),
    ) -> Self {
        let plain_bytes = sizes.iter().copied().max().unwrap_or_default();
        let smaller_by = if sizes.iter().all(|&size| size == plain_bytes) {
            Vec::new()
        } else {
            sizes.iter().map(|size| plain_bytes - size).collect()
        };
        Self { encoder, gap_bytes, plain_bytes, count: sizes.len() as u64, smaller_by, coded_bytes, digest }
    }

    /// The number of plain bytes of each block, in order.
    pub fn sizes(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.count).map(|number| {
            let smaller_by = usize::try_from(number).ok().and_then(|number| self.smaller_by.get(number));
            self.plain_bytes.saturating_sub(smaller_by.copied().unwrap_or(0))
        })
    }

    /// The number of bytes before the blocks.
    fn gaps_bytes(&self) -> Option<u64> {
        self.count.checked_mul(self.gap_bytes.into())
    }

    fn check(&self) -> Result<(), IndexError> {
        let is_count = self.smaller_by.is_empty() || self.smaller_by.len() as u64 == self.count;
        let fits = |smaller_by: &u32| *smaller_by < self.plain_bytes;
        let plain: u64 = self.smaller_by.iter().map(|&smaller_by| u64::from(smaller_by)).sum();
        let plain = self.count.checked_mul(self.plain_bytes.into()).and_then(|whole| whole.checked_sub(plain));
        let is_possible = self.count > 0
            && is_count
            && self.gap_bytes <= MAX_GAP_BYTES
            && (1..=MAX_BLOCK_PLAIN_BYTES).contains(&self.plain_bytes)
            && self.smaller_by.iter().all(fits)
            && self.count <= self.coded_bytes
            && plain.is_some_and(|plain| plain / MOST_EXPANSION <= self.coded_bytes);
        if is_possible { Ok(()) } else { Err(IndexError::Malformed("a run of compressed blocks")) }
    }
}

/// Refuses sizes that no block has.
fn check_block(plain_bytes: u32, coded_bytes: u64) -> Result<(), IndexError> {
    let is_possible = (1..=MAX_BLOCK_PLAIN_BYTES).contains(&plain_bytes)
        && coded_bytes > 0
        && u64::from(plain_bytes) / MOST_EXPANSION <= coded_bytes;
    if is_possible { Ok(()) } else { Err(IndexError::Malformed("sizes of a compressed block")) }
}

impl DiskPiece {
    /// The number of bytes in the image as it is stored, if it is one that a piece may have.
    fn stored(&self) -> Option<u64> {
        match self {
            Self::Plain(bytes) => Some(*bytes),
            Self::Run(run) | Self::Held(run) => run.gaps_bytes()?.checked_add(run.coded_bytes),
            Self::Filled(run) => run.stored(),
            Self::Corrected(block) => Some(block.coded_bytes.into()),
            Self::Kept(kept) => Some(kept.coded.len() as u64),
            Self::Stream(stream) => Some(stream.coded_bytes),
            Self::HashTree(tree) => tree.stored(),
        }
    }

    fn plain(&self) -> Option<u64> {
        match self {
            Self::Plain(bytes) => Some(*bytes),
            Self::Run(run) | Self::Held(run) => {
                let smaller_by: u64 = run.smaller_by.iter().map(|&smaller_by| u64::from(smaller_by)).sum();
                let blocks = run.count.checked_mul(run.plain_bytes.into())?.checked_sub(smaller_by)?;
                run.gaps_bytes()?.checked_add(blocks)
            }
            Self::Filled(run) => run.plain(),
            Self::Corrected(block) => Some(block.plain_bytes.into()),
            Self::Kept(kept) => Some(kept.plain_bytes.into()),
            Self::Stream(stream) => Some(stream.plain_bytes),
            Self::HashTree(_) => Some(0),
        }
    }

    /// The number of bytes in the image as it is stored.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored().unwrap_or(u64::MAX)
    }

    /// The number of bytes in the plain image.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.plain().unwrap_or(u64::MAX)
    }

    /// The number of plain bytes behind the piece that its encoder looks at, too.
    #[must_use]
    pub fn behind_bytes(&self) -> u64 {
        match self {
            Self::Filled(run) => run.behind_bytes(),
            _ => 0,
        }
    }

    /// Refuses what no disk image has.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        match self {
            Self::Plain(0) => Err(IndexError::Malformed("an empty piece of a disk image")),
            Self::Plain(_) => Ok(()),
            Self::Run(run) | Self::Held(run) => run.check(),
            Self::Filled(run) => run.check(),
            Self::Corrected(block) if block.corrections.is_empty() => {
                Err(IndexError::Malformed("a block of a disk image without corrections"))
            }
            Self::Corrected(block) => check_block(block.plain_bytes, block.coded_bytes.into()),
            Self::Kept(kept) => check_block(kept.plain_bytes, kept.coded.len() as u64),
            Self::Stream(stream) => stream.check(),
            Self::HashTree(tree) => tree.data().map(drop).ok_or(IndexError::Malformed(A_TREE)),
        }
    }
}

impl DiskCoding {
    /// The image's size in bytes as it is stored.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.sum(DiskPiece::stored).unwrap_or(u64::MAX)
    }

    /// The image's size in bytes in the plain image.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.sum(DiskPiece::plain).unwrap_or(u64::MAX)
    }

    /// The number of compressed blocks and streams, and of those the ones that are kept in their compressed form.
    #[must_use]
    pub fn blocks(&self) -> (u64, u64) {
        self.pieces.iter().fold((0, 0), |(all, kept), piece| match piece {
            DiskPiece::Plain(_) | DiskPiece::HashTree(_) => (all, kept),
            DiskPiece::Run(run) | DiskPiece::Held(run) => (all + run.count, kept),
            DiskPiece::Filled(run) => (all + run.count, kept),
            DiskPiece::Corrected(_) | DiskPiece::Stream(_) => (all + 1, kept),
            DiskPiece::Kept(_) => (all + 1, kept + 1),
        })
    }

    fn sum(&self, size: fn(&DiskPiece) -> Option<u64>) -> Option<u64> {
        self.pieces.iter().try_fold(0u64, |sum, piece| sum.checked_add(size(piece)?).filter(|&sum| sum < MOST_BYTES))
    }

    /// Checks that there is at most one hash tree, right behind its data, and something behind it.
    fn check_trees(&self) -> Result<(), IndexError> {
        let (mut at, mut trees) = (Some(0u64), 0);
        for (number, piece) in self.pieces.iter().enumerate() {
            if let DiskPiece::HashTree(tree) = piece {
                trees += 1;
                let is_last = number + 1 == self.pieces.len();
                if trees > 1 || is_last || at.is_none() || tree.data() != at {
                    return Err(IndexError::Malformed(A_TREE));
                }
            }
            at = at.zip(piece.stored()).and_then(|(at, bytes)| at.checked_add(bytes));
        }
        Ok(())
    }

    /// Checks that the sizes can be added up, that there are plain bytes, and that this does not begin like a file.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        if let Some(DiskPiece::Corrected(_)) = self.pieces.first() {
            return Err(IndexError::Malformed("a disk image that begins with a corrected block"));
        }
        self.check_trees()?;
        match (self.sum(DiskPiece::plain), self.sum(DiskPiece::stored)) {
            (Some(1..), Some(_)) => Ok(()),
            _ => Err(IndexError::Malformed("sizes of a coded disk image")),
        }
    }
}
