//! Makes a coded disk image from its plain image. Each compressed block follows from its own plain bytes, so blocks are
//! encoded side by side on all cores, and handed on in order.

mod found;
mod guess;
mod places;
mod prove;
#[cfg(test)]
mod tests;
mod unfold;
mod view;

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;

use regrow_disk::codec::{BlockEncoder, BlockError};
use regrow_index::{BlockRun, DiskPiece, RUN_DIGEST_BYTES};

use super::stream::StreamSink;
use crate::LocalError;
use crate::pool::{Ordered, Pool};

pub use found::CodedBlocks;
pub(crate) use guess::{DiskGuess, guess_disk};
pub(crate) use places::{DiskPlaces, PlacedBlock, PlainPlace};
pub(crate) use prove::{DiskProof, prove_disk};
pub(crate) use unfold::DiskUnfolding;
pub use view::StoredView;

/// The memory of all blocks that one maker encodes at the same time, unless one block takes more.
const MAX_MEMORY_BYTES: u64 = 64 << 20;
/// The most bytes of a run, plain or coded, that wait for the digest of the run.
const MAX_HELD_BYTES: u64 = 16 << 20;
/// The number of plain bytes that wait for a block behind them. With more, they are handed on alone.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// The encoder of a piece of a coded disk image, if it has one.
///
/// # Errors
/// The reason why the piece cannot be made here.
pub fn piece_encoder(piece: &DiskPiece) -> Result<Option<BlockEncoder>, String> {
    match piece {
        DiskPiece::Plain(_) | DiskPiece::Kept(_) => Ok(None),
        DiskPiece::Run(run) => block_encoder(&run.encoder, run.plain_bytes).map(Some),
        DiskPiece::Corrected(block) => block_encoder(&block.encoder, block.plain_bytes).map(Some),
    }
}

fn block_encoder(mut bytes: &[u8], plain_bytes: u32) -> Result<BlockEncoder, String> {
    let known = BlockEncoder::take(&mut bytes).filter(|_| bytes.is_empty()).ok_or_else(|| {
        "the image is a disk image with blocks of an encoder that this regrow does not know; use a newer regrow"
            .to_owned()
    })?;
    match known.unavailable(plain_bytes.into()) {
        Some(reason) => Err(format!("the image is a disk image with blocks that cannot be made again: {reason}")),
        None => Ok(known),
    }
}

/// The name of an encoder of blocks, with its parameters, if it is known.
#[must_use]
pub fn block_encoder_name(mut encoder: &[u8]) -> Option<String> {
    BlockEncoder::take(&mut encoder).map(|known| known.to_string())
}

/// About how many bytes of memory a maker of these pieces takes.
#[must_use]
pub fn disk_memory_bytes(pieces: &[DiskPiece]) -> u64 {
    largest_block_bytes(pieces).max(MAX_MEMORY_BYTES.min(largest_block_bytes(pieces) * most_in_flight()))
}

/// The memory of the block that takes most of it.
fn largest_block_bytes(pieces: &[DiskPiece]) -> u64 {
    let bytes = |piece: &DiskPiece| {
        let plain_bytes = match piece {
            DiskPiece::Plain(_) | DiskPiece::Kept(_) => 0,
            DiskPiece::Run(run) => run.plain_bytes,
            DiskPiece::Corrected(block) => block.plain_bytes,
        };
        Some(piece_encoder(piece).ok()??.memory_bytes(plain_bytes.into()))
    };
    pieces.iter().filter_map(bytes).max().unwrap_or(1).max(1)
}

fn most_in_flight() -> u64 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64 + 1)
}

/// Makes some pieces of a coded disk image.
pub struct DiskMaker<'a> {
    pool: &'a Pool,
    /// Blocks that need not be encoded, if there are any.
    blocks: Option<Arc<CodedBlocks>>,
    steps: Steps<'a>,
    step: Option<Step<'a>>,
    /// Bytes that stand before the next block as they are.
    waiting: Vec<u8>,
    /// The plain bytes of the block at hand.
    block: Vec<u8>,
    encoding: Ordered<Result<Made, BlockError>>,
    /// The blocks of a run of which some were taken from seeds. They wait until the run's digest shows that these fit.
    held: Vec<Made>,
    /// The number of stored bytes that are still to come. More of them would overwrite what follows.
    left: u64,
}

/// What becomes of the next plain bytes.
enum Step<'a> {
    /// This many stand in the image as they are.
    Copy(u64),
    /// This many make a block.
    Encode(usize, BlockStep),
    /// This many make a block with these corrections.
    Correct(usize, BlockEncoder, &'a [u8]),
    /// In the place of this many stands a block that is kept.
    Replace(u64, &'a [u8]),
}

/// How a block is made.
#[derive(Debug, Clone, Copy)]
struct BlockStep {
    encoder: BlockEncoder,
    /// Whether the block may be taken from a seed, since its run is small enough to wait for its digest.
    may_take: bool,
    /// The digest of the run, if this is its last block.
    run_end: Option<RunDigest>,
}

/// The numbers of plain bytes of a run's blocks.
type Sizes<'a> = Peekable<Box<dyn Iterator<Item = u32> + 'a>>;

/// The steps of some pieces.
struct Steps<'a> {
    pieces: VecDeque<&'a DiskPiece>,
    /// The present run, its encoder, and the sizes of its blocks that are still to come.
    run: Option<(BlockEncoder, &'a BlockRun, Sizes<'a>)>,
    /// The block behind the bytes that stand before it.
    next: Option<Step<'a>>,
}

impl<'a> Steps<'a> {
    /// The next step. The result is an error if an encoder is not known here.
    fn next(&mut self) -> Result<Option<Step<'a>>, LocalError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        loop {
            if let Some((encoder, run, sizes)) = &mut self.run {
                if let Some(size) = sizes.next() {
                    let may_take = run.coded_bytes.max(run.count * u64::from(run.plain_bytes)) <= MAX_HELD_BYTES;
                    let run_end = sizes.peek().is_none().then_some(run.digest);
                    let encode = Step::Encode(size as usize, BlockStep { encoder: *encoder, may_take, run_end });
                    if run.gap_bytes == 0 {
                        return Ok(Some(encode));
                    }
                    self.next = Some(encode);
                    return Ok(Some(Step::Copy(run.gap_bytes.into())));
                }
                self.run = None;
            }
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(DiskPiece::Plain(bytes)) => return Ok(Some(Step::Copy(*bytes))),
                Some(DiskPiece::Kept(kept)) => return Ok(Some(Step::Replace(kept.plain_bytes.into(), &kept.coded))),
                Some(DiskPiece::Corrected(block)) => {
                    let encoder = block_encoder(&block.encoder, block.plain_bytes).map_err(invalid)?;
                    return Ok(Some(Step::Correct(block.plain_bytes as usize, encoder, &block.corrections)));
                }
                Some(DiskPiece::Run(run)) => {
                    let encoder = block_encoder(&run.encoder, run.plain_bytes).map_err(invalid)?;
                    let sizes: Box<dyn Iterator<Item = u32> + 'a> = Box::new(run.sizes());
                    self.run = Some((encoder, run, sizes.peekable()));
                }
            }
        }
    }
}

impl<'a> DiskMaker<'a> {
    /// Begins with the first of these pieces. `blocks` are some that may be among those that are made.
    pub fn new(pool: &'a Pool, pieces: &'a [DiskPiece], blocks: Option<Arc<CodedBlocks>>) -> Self {
        let in_flight = (MAX_MEMORY_BYTES / largest_block_bytes(pieces)).clamp(1, most_in_flight());
        let steps = Steps { pieces: pieces.iter().collect(), run: None, next: None };
        let left = pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.stored_bytes()));
        let encoding = Ordered::new(in_flight as usize);
        let (waiting, block, held) = (Vec::new(), Vec::new(), Vec::new());
        Self { pool, blocks, steps, step: None, waiting, block, encoding, held, left }
    }

    /// Takes in the next plain bytes. What is settled of the image goes to `sink`.
    pub fn write<E: From<LocalError>>(&mut self, mut plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        while !plain.is_empty() {
            if self.step.is_none() {
                self.step = self.steps.next()?;
            }
            let taken = match &mut self.step {
                None => return Err(invalid("there are more plain bytes than its pieces have").into()),
                Some(Step::Copy(left) | Step::Replace(left, _)) => {
                    let now = plain.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= now as u64;
                    now
                }
                Some(Step::Encode(left, _) | Step::Correct(left, ..)) => {
                    let now = plain.len().min(*left);
                    *left -= now;
                    now
                }
            };
            let (now, rest) = plain.split_at(taken);
            self.take(now, sink)?;
            plain = rest;
        }
        Ok(())
    }

    /// Takes in bytes of the present step.
    fn take<E: From<LocalError>>(&mut self, plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        match &self.step {
            None => {}
            Some(Step::Copy(left)) => {
                let is_end = *left == 0;
                self.waiting.extend_from_slice(plain);
                if self.waiting.len() >= MAX_WAITING_BYTES {
                    let waiting = std::mem::take(&mut self.waiting);
                    self.encoding.push(self.pool.submit(move || Ok(Made::plain(waiting))));
                    self.hand_on(sink)?;
                }
                if is_end {
                    self.step = None;
                }
            }
            Some(Step::Replace(0, coded)) => {
                self.waiting.extend_from_slice(coded);
                self.step = None;
            }
            Some(Step::Replace(..)) => {}
            Some(Step::Correct(left, encoder, corrections)) => {
                let (is_end, encoder, corrections) = (*left == 0, *encoder, *corrections);
                self.block.extend_from_slice(plain);
                if is_end {
                    self.step = None;
                    let (mut before, block) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.block));
                    let corrections = corrections.to_vec();
                    self.encoding.push(self.pool.submit(move || {
                        before.extend_from_slice(&encoder.encode_corrected(&block, &corrections)?);
                        Ok(Made::plain(before))
                    }));
                    self.hand_on(sink)?;
                }
            }
            Some(Step::Encode(left, step)) => {
                let (is_end, step) = (*left == 0, *step);
                self.block.extend_from_slice(plain);
                if is_end {
                    self.step = None;
                    let (before, block) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.block));
                    let blocks = self.blocks.clone().filter(|_| step.may_take);
                    self.encoding.push(self.pool.submit(move || Made::block(before, block, step, blocks.as_deref())));
                    self.hand_on(sink)?;
                }
            }
        }
        Ok(())
    }

    /// Hands on the blocks that are ready.
    fn hand_on<E: From<LocalError>>(&mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        while let Some(made) = self.encoding.next_due()? {
            self.accept(made.map_err(failed)?, sink)?;
        }
        Ok(())
    }

    /// Takes in what was made, in order. The blocks of a run wait from the first one on that was taken from a seed.
    fn accept<E: From<LocalError>>(&mut self, made: Made, sink: StreamSink<'_, E>) -> Result<(), E> {
        let run_end = made.step.and_then(|step| step.run_end);
        let waits = made.step.is_some_and(|step| step.may_take && self.blocks.is_some());
        if !waits {
            return self.give(&made, sink);
        }
        self.held.push(made);
        let Some(digest) = run_end else { return Ok(()) };
        let mut held = std::mem::take(&mut self.held);
        if held.iter().any(|made| made.taken_for.is_some()) && digest_of(&held) != digest {
            // Other blocks hold the same, or the seed has changed.
            self.encode_taken(&mut held)?;
        }
        held.iter().try_for_each(|made| self.give(made, sink))
    }

    /// Encodes the blocks that were taken from seeds.
    fn encode_taken(&mut self, held: &mut [Made]) -> Result<(), LocalError> {
        let mut encoding = Ordered::new(usize::MAX);
        for made in held.iter_mut() {
            if let (Some(plain), Some(step)) = (made.taken_for.take(), made.step) {
                encoding.push(self.pool.submit(move || step.encoder.encode(&plain)));
                made.coded.clear();
            }
        }
        for made in held.iter_mut().filter(|made| made.step.is_some() && made.coded.is_empty()) {
            let coded = encoding.next()?.ok_or(LocalError::Worker)?;
            made.coded = coded.map_err(failed)?;
        }
        Ok(())
    }

    fn give<E: From<LocalError>>(&mut self, made: &Made, sink: StreamSink<'_, E>) -> Result<(), E> {
        for bytes in [&made.before, &made.coded] {
            let left = self.left.checked_sub(bytes.len() as u64);
            self.left = left.ok_or_else(|| invalid("they are longer"))?;
            sink(bytes)?;
        }
        Ok(())
    }

    /// Ends the plain bytes. The rest of the image goes to `sink`.
    pub fn finish<E: From<LocalError>>(mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        while let Some(made) = self.encoding.next()? {
            self.accept(made.map_err(failed)?, sink)?;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.give(&Made::plain(waiting), sink)?;
        let is_whole = self.left == 0 && self.step.is_none() && self.steps.next()?.is_none();
        if is_whole { Ok(()) } else { Err(invalid("they are shorter").into()) }
    }
}

/// What a worker made.
struct Made {
    /// Bytes that stand before the block as they are.
    before: Vec<u8>,
    /// The block, if there is one.
    coded: Vec<u8>,
    step: Option<BlockStep>,
    /// The plain bytes of a block that was taken from a seed.
    taken_for: Option<Vec<u8>>,
}

impl Made {
    fn plain(before: Vec<u8>) -> Self {
        Self { before, coded: Vec::new(), step: None, taken_for: None }
    }

    /// A block, which is looked for among those of seeds first.
    fn block(
        before: Vec<u8>,
        plain: Vec<u8>,
        step: BlockStep,
        blocks: Option<&CodedBlocks>,
    ) -> Result<Self, BlockError> {
        let step_of = Some(step);
        match blocks.and_then(|blocks| blocks.get(step.encoder.codec(), &plain)) {
            Some(coded) => Ok(Self { before, coded, step: step_of, taken_for: Some(plain) }),
            None => Ok(Self { before, coded: step.encoder.encode(&plain)?, step: step_of, taken_for: None }),
        }
    }
}

/// The beginning of the BLAKE3 hash of a run's blocks.
type RunDigest = [u8; RUN_DIGEST_BYTES];

fn digest_of(run: &[Made]) -> RunDigest {
    let mut hash = blake3::Hasher::new();
    run.iter().for_each(|made| {
        hash.update(&made.coded);
    });
    run_digest(&hash)
}

/// The digest of a run whose blocks were hashed.
fn run_digest(hash: &blake3::Hasher) -> RunDigest {
    hash.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

fn failed(error: BlockError) -> LocalError {
    invalid(error.to_string())
}

fn invalid(reason: impl Into<String>) -> LocalError {
    LocalError::DiskBlocks(reason.into())
}
