//! Makes a coded disk image from its plain image. Each compressed block follows from its own plain bytes, and a group of
//! filled blocks from its own and those behind it. So they are encoded side by side on all cores, and handed on in order.

mod builder;
mod encoders;
mod filled;
mod found;
mod guess;
mod held;
mod made;
mod places;
mod prove;
mod steps;
mod streams;
mod tar;
#[cfg(test)]
mod tests;
mod tree;
mod unfold;
mod view;

use std::sync::Arc;

use regrow_disk::TreeHasher;
use regrow_disk::codec::BlockError;
use regrow_index::DiskPiece;

use super::stream::StreamSink;
use crate::LocalError;
use crate::pool::{Ordered, Pool};
use encoders::{MAX_MEMORY_BYTES, largest_block_bytes, most_in_flight};
use made::{Made, RunDigest, digest_of, run_digest};
use steps::{BlockStep, Step, StepEncoder, Steps};

pub use encoders::{
    PieceEncoder, block_encoder_name, bytes_behind, disk_memory_bytes, piece_encoder, stream_encoder_name,
};
pub use found::CodedBlocks;
pub(crate) use guess::{DiskGuess, guess_disk};
pub(crate) use held::HeldBlocks;
pub use held::WholeCoding;
pub(crate) use places::{BlockHash, DiskPlaces, PlacedBlock, PlainPlace, block_hash};
pub(crate) use prove::{DiskProof, prove_disk};
pub(crate) use streams::LateSpool;
pub use streams::SpoolFolder;
pub use tree::has_hash_tree;
pub(crate) use unfold::DiskUnfolding;
pub use view::StoredView;

/// The number of plain bytes that wait for a block behind them. With more, they are handed on alone.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// Makes some pieces of a coded disk image.
pub struct DiskMaker<'a> {
    pool: &'a Pool,
    /// Blocks that need not be encoded, if there are any.
    blocks: Option<Arc<CodedBlocks>>,
    /// The corrections of blocks that the base of a patch should hold, if it does not.
    whole: Option<&'a dyn WholeCoding>,
    steps: Steps<'a>,
    step: Option<Step<'a>>,
    /// Bytes that stand before the next block as they are.
    waiting: Vec<u8>,
    /// The plain bytes of the block at hand.
    block: Vec<u8>,
    /// Plain bytes for which there is no step yet, or of a group of filled blocks that needs more of them.
    ahead: Vec<u8>,
    /// The number of bytes with which `ahead` is of use.
    wanted: usize,
    /// The number of plain bytes behind the pieces, which are only looked at.
    behind: u64,
    encoding: Ordered<Result<Made, BlockError>>,
    /// The blocks of a run of which some were taken from seeds. They wait until the run's digest shows that these fit.
    held: Vec<Made>,
    /// The number of plain bytes of the disk image so far.
    plain_at: u64,
    /// What becomes of all bytes so far, if a hash tree follows from them.
    tree: Option<TreeHasher>,
    /// The number of stored bytes that are still to come. More of them would overwrite what follows.
    left: u64,
}

impl<'a> DiskMaker<'a> {
    /// Begins with the first of these pieces. `blocks` are some that may be among those that are made.
    pub fn new(pool: &'a Pool, pieces: &'a [DiskPiece], blocks: Option<Arc<CodedBlocks>>) -> Self {
        let in_flight = (MAX_MEMORY_BYTES / largest_block_bytes(pieces)).clamp(1, most_in_flight());
        let steps = Steps::new(pool, pieces);
        let left = pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.stored_bytes()));
        let encoding = Ordered::new(in_flight as usize);
        let (waiting, block, held, ahead) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let behind = bytes_behind(pieces);
        let (whole, plain_at, wanted, step) = (None, 0, 0, None);
        let tree = tree::hasher(pieces);
        Self {
            pool,
            blocks,
            whole,
            steps,
            step,
            waiting,
            block,
            ahead,
            wanted,
            behind,
            encoding,
            held,
            plain_at,
            tree,
            left,
        }
    }

    /// The same maker for pieces that begin at this place of the plain image, counted from the beginning of the disk image,
    /// with the whole coding for blocks that the base of a patch should hold.
    #[must_use]
    pub fn with_whole(self, plain_at: u64, whole: &'a dyn WholeCoding) -> Self {
        Self { plain_at, whole: Some(whole), ..self }
    }

    /// Takes in the next plain bytes, at the end those behind the pieces that their encoders look at, as far as there are
    /// any. What is settled of the image goes to `sink`.
    pub fn write<E: From<LocalError>>(&mut self, plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        if self.ahead.is_empty() {
            let left = self.go_on(plain, false, sink)?;
            self.ahead.extend_from_slice(&plain[plain.len() - left..]);
            return Ok(());
        }
        self.ahead.extend_from_slice(plain);
        if self.ahead.len() < self.wanted { Ok(()) } else { self.go_on_ahead(false, sink) }
    }

    fn go_on_ahead<E: From<LocalError>>(&mut self, is_end: bool, sink: StreamSink<'_, E>) -> Result<(), E> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let left = self.go_on(&ahead, is_end, sink)?;
        ahead.drain(..ahead.len() - left);
        self.ahead = ahead;
        Ok(())
    }

    /// Takes steps with these plain bytes, and returns how many of them are left for later.
    fn go_on<E: From<LocalError>>(
        &mut self,
        mut plain: &[u8],
        is_end: bool,
        sink: StreamSink<'_, E>,
    ) -> Result<usize, E> {
        while !plain.is_empty() {
            if self.step.is_none() {
                self.step = self.steps.next()?;
            }
            if let Some(Step::Tree) = self.step {
                self.put_tree(sink)?;
                continue;
            }
            let taken = match &mut self.step {
                None if plain.len() as u64 <= self.behind => {
                    self.wanted = usize::try_from(self.behind).unwrap_or(usize::MAX).saturating_add(1);
                    return Ok(plain.len());
                }
                None => return Err(invalid("there are more plain bytes than its pieces have").into()),
                Some(Step::Tree) => 0,
                Some(Step::Copy(left) | Step::Replace(left, _) | Step::Stream(left, _)) => {
                    let now = plain.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= now as u64;
                    now
                }
                Some(Step::Encode(left, _) | Step::Correct(left, ..)) => {
                    let now = plain.len().min(*left);
                    *left -= now;
                    now
                }
                Some(Step::Fill(fill, step)) => {
                    let (group, wanted, step) = (fill.plain_bytes, fill.plain_bytes + fill.behind_bytes, *step);
                    if plain.len() < wanted && !is_end || plain.len() < group {
                        self.wanted = wanted;
                        return Ok(plain.len());
                    }
                    self.step = None;
                    self.submit(plain[..plain.len().min(wanted)].to_vec(), step);
                    self.hand_on(sink)?;
                    plain = &plain[group..];
                    self.plain_at = self.plain_at.saturating_add(group as u64);
                    continue;
                }
            };
            let (now, rest) = plain.split_at(taken);
            self.plain_at = self.plain_at.saturating_add(now.len() as u64);
            if let Some(Step::Stream(..)) = self.step {
                self.take_stream(now, sink)?;
            } else {
                self.take(now, sink)?;
            }
            plain = rest;
        }
        Ok(0)
    }

    /// Has the pool encode what these plain bytes make.
    fn submit(&mut self, plain: Vec<u8>, step: BlockStep) {
        let before = std::mem::take(&mut self.waiting);
        let blocks = self.blocks.clone().filter(|_| step.may_take);
        let plain_at = self.plain_at.saturating_sub(plain.len() as u64);
        self.encoding.push(self.pool.submit(move || Made::block(before, (plain, plain_at), step, blocks.as_deref())));
    }

    /// Takes in bytes of the present step.
    fn take<E: From<LocalError>>(&mut self, plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        match &self.step {
            None | Some(Step::Fill(..) | Step::Tree) => {}
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
            Some(Step::Replace(..) | Step::Stream(..)) => {}
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
                    let block = std::mem::take(&mut self.block);
                    self.submit(block, step);
                    self.hand_on(sink)?;
                }
            }
        }
        Ok(())
    }

    /// Gives all that was taken in so far.
    fn give_all<E: From<LocalError>>(&mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        while let Some(made) = self.encoding.next()? {
            self.accept(made.map_err(failed)?, sink)?;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.give(&Made::plain(waiting), sink)
    }

    /// Gives the hash tree of all that was made.
    fn put_tree<E: From<LocalError>>(&mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        self.step = None;
        self.give_all(sink)?;
        let tree = self.tree.take().and_then(TreeHasher::finish);
        let tree = tree.ok_or_else(|| invalid("a hash tree is not known, or its data is missing"))?;
        self.give(&Made::plain(tree), sink)
    }

    /// Takes in bytes of a stream, which goes on as it is made. What stands before it must be there first.
    fn take_stream<E: From<LocalError>>(&mut self, plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        self.give_all(sink)?;
        let Some(Step::Stream(to_come, maker)) = &mut self.step else { return Ok(()) };
        let (left, tree) = (&mut self.left, &mut self.tree);
        let mut counted = |made: &[u8]| {
            *left = left.checked_sub(made.len() as u64).ok_or_else(|| invalid("they are longer"))?;
            tree.iter_mut().for_each(|tree| tree.push(made));
            sink(made)
        };
        maker.write(plain, &mut counted)?;
        if *to_come == 0 {
            maker.finish(&mut counted)?;
            self.step = None;
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
        let waits = made.step.is_some_and(|step| step.may_take && (self.blocks.is_some() || step.is_held()));
        if !waits {
            return self.give(&made, sink);
        }
        self.held.push(made);
        let Some(digest) = run_end else { return Ok(()) };
        let mut held = std::mem::take(&mut self.held);
        if held.iter().any(|made| made.taken_for.is_some()) && digest_of(&held) != digest {
            // Other blocks hold the same, or the seed has changed.
            self.make_taken(&mut held)?;
        }
        held.iter().try_for_each(|made| self.give(made, sink))
    }

    /// Makes the blocks that were taken from seeds, or not found there.
    fn make_taken(&mut self, held: &mut [Made]) -> Result<(), LocalError> {
        let mut encoding = Ordered::new(usize::MAX);
        for made in held.iter_mut() {
            let (Some(plain), Some(step)) = (made.taken_for.take(), made.step) else { continue };
            made.coded = match (step.encoder, self.whole) {
                (StepEncoder::Held, Some(whole)) => held::make_block(whole, made.plain_at, &plain)?,
                (StepEncoder::Held, None) => {
                    return Err(invalid("a block that the old image should have is not known"));
                }
                (encoder, _) => {
                    encoding.push(self.pool.submit(move || encoder.encode(&plain)));
                    Vec::new()
                }
            };
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
            self.tree.iter_mut().for_each(|tree| tree.push(bytes));
            sink(bytes)?;
        }
        Ok(())
    }

    /// Ends the plain bytes. The rest of the image goes to `sink`.
    pub fn finish<E: From<LocalError>>(mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        self.go_on_ahead(true, sink)?;
        self.give_all(sink)?;
        let is_whole = self.left == 0 && self.step.is_none() && self.steps.next()?.is_none();
        if is_whole { Ok(()) } else { Err(invalid("they are shorter").into()) }
    }
}

fn failed(error: BlockError) -> LocalError {
    invalid(error.to_string())
}

fn invalid(reason: impl Into<String>) -> LocalError {
    LocalError::DiskBlocks(reason.into())
}
