//! Makes a coded disk image from its plain image. Each compressed block follows from its own plain bytes, so blocks are
//! encoded side by side on all cores, and handed on in order.

mod guess;
mod places;
mod prove;
#[cfg(test)]
mod tests;
mod unfold;

use std::collections::VecDeque;

use regrow_disk::codec::{BlockEncoder, BlockError};
use regrow_index::{BlockRun, DiskPiece};

use super::stream::StreamSink;
use crate::LocalError;
use crate::pool::{Ordered, Pool};

pub(crate) use guess::{DiskGuess, guess_disk};
pub(crate) use places::{DiskPlaces, PlacedBlock, PlainPlace};
pub(crate) use prove::{DiskProof, prove_disk};
pub(crate) use unfold::DiskUnfolding;

/// The memory of all blocks that one maker encodes at the same time, unless one block takes more.
const MAX_MEMORY_BYTES: u64 = 64 << 20;
/// The number of plain bytes that wait for a block behind them. With more, they are handed on alone.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// The encoder of a run of blocks.
///
/// # Errors
/// The reason why the blocks cannot be made here.
pub fn block_encoder(run: &BlockRun) -> Result<BlockEncoder, String> {
    let mut bytes = &*run.encoder;
    let known = BlockEncoder::take(&mut bytes).filter(|_| bytes.is_empty()).ok_or_else(|| {
        "the image is a disk image with blocks of an encoder that this regrow does not know; use a newer regrow"
            .to_owned()
    })?;
    match known.unavailable(run.plain_bytes.into()) {
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
    let runs = pieces.iter().filter_map(|piece| match piece {
        DiskPiece::Run(run) => Some(run),
        DiskPiece::Plain(_) | DiskPiece::Kept(_) => None,
    });
    runs.filter_map(|run| Some(block_encoder(run).ok()?.memory_bytes(run.plain_bytes.into()))).max().unwrap_or(1).max(1)
}

fn most_in_flight() -> u64 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64 + 1)
}

/// Makes some pieces of a coded disk image.
pub struct DiskMaker<'a> {
    pool: &'a Pool,
    steps: Steps<'a>,
    step: Option<Step<'a>>,
    /// Bytes that stand before the next block as they are.
    waiting: Vec<u8>,
    /// The plain bytes of the block at hand.
    block: Vec<u8>,
    encoding: Ordered<Result<Vec<u8>, BlockError>>,
    /// The number of stored bytes that are still to come. More of them would overwrite what follows.
    left: u64,
}

/// What becomes of the next plain bytes.
enum Step<'a> {
    /// This many stand in the image as they are.
    Copy(u64),
    /// This many make a block.
    Encode(usize, BlockEncoder),
    /// In the place of this many stands a block that is kept.
    Replace(u64, &'a [u8]),
}

/// The steps of some pieces.
struct Steps<'a> {
    pieces: VecDeque<&'a DiskPiece>,
    /// The present run, and the sizes of its blocks that are still to come.
    run: Option<(BlockEncoder, u8, Box<dyn Iterator<Item = u32> + 'a>)>,
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
            if let Some((encoder, gap_bytes, sizes)) = &mut self.run {
                if let Some(size) = sizes.next() {
                    let encode = Step::Encode(size as usize, *encoder);
                    if *gap_bytes == 0 {
                        return Ok(Some(encode));
                    }
                    self.next = Some(encode);
                    return Ok(Some(Step::Copy((*gap_bytes).into())));
                }
                self.run = None;
            }
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(DiskPiece::Plain(bytes)) => return Ok(Some(Step::Copy(*bytes))),
                Some(DiskPiece::Kept(kept)) => return Ok(Some(Step::Replace(kept.plain_bytes.into(), &kept.coded))),
                Some(DiskPiece::Run(run)) => {
                    let encoder = block_encoder(run).map_err(invalid)?;
                    self.run = Some((encoder, run.gap_bytes, Box::new(run.sizes())));
                }
            }
        }
    }
}

impl<'a> DiskMaker<'a> {
    /// Begins with the first of these pieces.
    pub fn new(pool: &'a Pool, pieces: &'a [DiskPiece]) -> Self {
        let in_flight = (MAX_MEMORY_BYTES / largest_block_bytes(pieces)).clamp(1, most_in_flight());
        let steps = Steps { pieces: pieces.iter().collect(), run: None, next: None };
        let left = pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.stored_bytes()));
        let encoding = Ordered::new(in_flight as usize);
        Self { pool, steps, step: None, waiting: Vec::new(), block: Vec::new(), encoding, left }
    }

    /// Takes in the next plain bytes. What is settled of the image goes to `sink`.
    pub fn write<E: From<LocalError>>(&mut self, mut plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        while !plain.is_empty() {
            if self.step.is_none() {
                self.step = self.steps.next()?;
            }
            let taken = match &mut self.step {
                None => return Err(invalid("more plain bytes than its pieces have").into()),
                Some(Step::Copy(left) | Step::Replace(left, _)) => {
                    let now = plain.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= now as u64;
                    now
                }
                Some(Step::Encode(left, _)) => {
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
                    self.encoding.push(self.pool.submit(move || Ok(waiting)));
                    self.hand_on(sink)?;
                }
                if is_end {
                    self.step = None;
                }
            }
            Some(Step::Replace(left, coded)) => {
                if *left == 0 {
                    self.waiting.extend_from_slice(coded);
                    self.step = None;
                }
            }
            Some(Step::Encode(left, encoder)) => {
                let (is_end, encoder) = (*left == 0, *encoder);
                self.block.extend_from_slice(plain);
                if is_end {
                    self.step = None;
                    let (mut made, block) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.block));
                    self.encoding.push(self.pool.submit(move || {
                        made.extend_from_slice(&encoder.encode(&block)?);
                        Ok(made)
                    }));
                    self.hand_on(sink)?;
                }
            }
        }
        Ok(())
    }

    /// Hands on the blocks that are ready.
    fn hand_on<E: From<LocalError>>(&mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        while let Some(made) = self.encoding.next_due()? {
            self.give(&made.map_err(|error| invalid(error.to_string()))?, sink)?;
        }
        Ok(())
    }

    fn give<E: From<LocalError>>(&mut self, made: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        let left = self.left.checked_sub(made.len() as u64);
        self.left = left.ok_or_else(|| invalid("blocks that are longer than its index says"))?;
        sink(made)
    }

    /// Ends the plain bytes. The rest of the image goes to `sink`.
    pub fn finish<E: From<LocalError>>(mut self, sink: StreamSink<'_, E>) -> Result<(), E> {
        while let Some(made) = self.encoding.next()? {
            self.give(&made.map_err(|error| invalid(error.to_string()))?, sink)?;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.give(&waiting, sink)?;
        let is_whole = self.left == 0 && self.step.is_none() && self.steps.next()?.is_none();
        if is_whole { Ok(()) } else { Err(invalid("blocks that are shorter than its index says").into()) }
    }
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LocalError {
    LocalError::io("a coded disk image")(std::io::Error::new(std::io::ErrorKind::InvalidData, reason))
}
