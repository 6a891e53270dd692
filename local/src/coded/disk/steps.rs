//! The steps in which the pieces of a coded disk image are made.

use std::collections::VecDeque;
use std::iter::Peekable;

use regrow_disk::codec::{BlockEncoder, BlockError, FillEncoder};
use regrow_index::{BlockRun, DiskPiece, FilledGroup, FilledRun};

use super::encoders::{block_encoder, fill_encoder};
use super::filled::Fill;
use super::{CodedBlocks, RunDigest, invalid};
use crate::LocalError;
use crate::coded::stream::{CodedEncoder, StreamMaker};
use crate::pool::Pool;

/// The most bytes of a run, plain or coded, that wait for the digest of the run.
const MAX_HELD_BYTES: u64 = 16 << 20;

/// What becomes of the next plain bytes.
pub(super) enum Step<'a> {
    /// This many stand in the image as they are.
    Copy(u64),
    /// This many make a block.
    Encode(usize, BlockStep),
    /// A group of filled blocks is made, for which the bytes behind it are needed, too.
    Fill(Fill, BlockStep),
    /// This many make a block with these corrections.
    Correct(usize, BlockEncoder, &'a [u8]),
    /// In the place of this many stands a block that is kept.
    Replace(u64, &'a [u8]),
    /// This many are the rest of a stream.
    Stream(u64, Box<StreamMaker<'a>>),
    /// Of none, the hash tree of all bytes so far is made.
    Tree,
}

/// How a block is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockStep {
    pub(super) encoder: StepEncoder,
    /// Whether the block may be taken from a seed, since its run is small enough to wait for its digest.
    pub(super) may_take: bool,
    /// The digest of the run, if this is its last block.
    pub(super) run_end: Option<RunDigest>,
}

impl BlockStep {
    /// Whether the block is one that the base of a patch holds.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.encoder, StepEncoder::Held)
    }
}

/// The encoder of a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum StepEncoder {
    Block(BlockEncoder),
    Fill(Fill),
    /// None: the block is one that the base of a patch holds.
    Held,
}

impl StepEncoder {
    /// What the encoder makes. A block that the base holds is none of an encoder's, so there are no bytes then.
    pub(super) fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        match self {
            Self::Block(encoder) => encoder.encode(plain),
            Self::Fill(fill) => fill.blocks(plain, None).map(|(coded, _)| coded),
            Self::Held => Ok(Vec::new()),
        }
    }

    /// Does the same with the blocks of seeds. The second value tells whether one was taken.
    pub(super) fn encode_with(self, plain: &[u8], blocks: &CodedBlocks) -> Result<(Vec<u8>, bool), BlockError> {
        match self {
            Self::Block(encoder) => match blocks.get(Some(encoder.codec()), plain) {
                Some(coded) => Ok((coded, true)),
                None => Ok((encoder.encode(plain)?, false)),
            },
            Self::Fill(fill) => fill.blocks(plain, Some(blocks)),
            Self::Held => Ok((blocks.get(None, plain).unwrap_or_default(), true)),
        }
    }
}

/// The numbers of plain bytes of a run's blocks.
type Sizes<'a> = Peekable<Box<dyn Iterator<Item = u32> + 'a>>;

/// The steps of some pieces.
pub(super) struct Steps<'a> {
    pool: &'a Pool,
    pieces: VecDeque<&'a DiskPiece>,
    /// The present run, its encoder, and the sizes of its blocks that are still to come.
    run: Option<(StepEncoder, &'a BlockRun, Sizes<'a>)>,
    /// The present run of filled blocks, its encoder, and the groups that are still to come.
    filled: Option<(FillEncoder, &'a FilledRun, std::slice::Iter<'a, FilledGroup>)>,
    /// The block behind the bytes that stand before it.
    next: Option<Step<'a>>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(pool: &'a Pool, pieces: &'a [DiskPiece]) -> Self {
        Self { pool, pieces: pieces.iter().collect(), run: None, filled: None, next: None }
    }

    /// The next step. The result is an error if an encoder is not known here.
    pub(super) fn next(&mut self) -> Result<Option<Step<'a>>, LocalError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        loop {
            if let Some((encoder, run, sizes)) = &mut self.run {
                if let Some(size) = sizes.next() {
                    let (encoder, may_take) = (*encoder, is_small(run));
                    let run_end = sizes.peek().is_none().then_some(run.digest);
                    let encode = Step::Encode(size as usize, BlockStep { encoder, may_take, run_end });
                    if run.gap_bytes == 0 {
                        return Ok(Some(encode));
                    }
                    self.next = Some(encode);
                    return Ok(Some(Step::Copy(run.gap_bytes.into())));
                }
                self.run = None;
            }
            if let Some(step) = self.next_group() {
                return Ok(Some(step));
            }
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(DiskPiece::HashTree(_)) => return Ok(Some(Step::Tree)),
                Some(DiskPiece::Plain(bytes)) => return Ok(Some(Step::Copy(*bytes))),
                Some(DiskPiece::Kept(kept)) => return Ok(Some(Step::Replace(kept.plain_bytes.into(), &kept.coded))),
                Some(DiskPiece::Corrected(block)) => {
                    let encoder = block_encoder(&block.encoder, block.plain_bytes).map_err(invalid)?;
                    return Ok(Some(Step::Correct(block.plain_bytes as usize, encoder, &block.corrections)));
                }
                Some(DiskPiece::Stream(stream)) => {
                    let encoder = CodedEncoder::of_stream(stream).map_err(invalid)?;
                    let maker = Box::new(StreamMaker::new(self.pool, encoder, &stream.corrections));
                    return Ok(Some(Step::Stream(stream.plain_bytes, maker)));
                }
                Some(DiskPiece::Filled(run)) => {
                    let encoder = fill_encoder(&run.encoder).map_err(invalid)?;
                    self.filled = Some((encoder, run, run.groups.iter()));
                }
                Some(DiskPiece::Run(run)) => {
                    let encoder = block_encoder(&run.encoder, run.plain_bytes).map_err(invalid)?;
                    self.begin(StepEncoder::Block(encoder), run);
                }
                Some(DiskPiece::Held(run)) if is_small(run) => self.begin(StepEncoder::Held, run),
                Some(DiskPiece::Held(_)) => return Err(invalid("a run of blocks that the old image has is too long")),
            }
        }
    }
}

/// Whether all blocks of a run may wait for its digest.
fn is_small(run: &BlockRun) -> bool {
    run.coded_bytes.max(run.count.saturating_mul(run.plain_bytes.into())) <= MAX_HELD_BYTES
}

impl<'a> Steps<'a> {
    fn begin(&mut self, encoder: StepEncoder, run: &'a BlockRun) {
        let sizes: Box<dyn Iterator<Item = u32> + 'a> = Box::new(run.sizes());
        self.run = Some((encoder, run, sizes.peekable()));
    }

    /// The next step of the present run of filled blocks, if it is not at its end.
    fn next_group(&mut self) -> Option<Step<'a>> {
        let (encoder, run, groups) = self.filled.as_mut()?;
        let Some(group) = groups.next() else {
            self.filled = None;
            return None;
        };
        let (plain_bytes, behind_bytes) = (group.plain_bytes as usize, group.behind_bytes as usize);
        let fill = Fill { encoder: *encoder, plain_bytes, behind_bytes, most: run.coded_bytes };
        let may_take = run.coded_bytes.max(run.largest_bytes()) <= MAX_HELD_BYTES;
        let run_end = groups.as_slice().is_empty().then_some(run.digest);
        let step = Step::Fill(fill, BlockStep { encoder: StepEncoder::Fill(fill), may_take, run_end });
        if group.gap_bytes == 0 {
            return Some(step);
        }
        self.next = Some(step);
        Some(Step::Copy(group.gap_bytes))
    }
}
