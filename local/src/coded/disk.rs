//! Makes a coded disk image from its plain image. Each compressed block follows from its own plain bytes, so blocks are
//! encoded side by side on all cores, and handed on in order.

use std::collections::VecDeque;

use regrow_disk::codec::{BlockEncoder, BlockError};
use regrow_index::{BlockRun, DiskPiece};

use super::stream::StreamSink;
use crate::LocalError;
use crate::pool::{Ordered, Pool};

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
    match known.unavailable() {
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

#[cfg(test)]
mod tests {
    use regrow_index::{BlockRun, DiskCoding, KeptBlock};

    use super::*;

    const LEVEL_9: [u8; 5] = [0x80, 0x40, 9, 15, 8];
    const LEVEL_1: [u8; 5] = [0x80, 0x40, 1, 15, 8];

    fn text(bytes: usize, seed: u8) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut noise);
        noise.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect()
    }

    fn encode(encoder: &[u8], plain: &[u8]) -> Vec<u8> {
        BlockEncoder::take(&mut &*encoder).unwrap().encode(plain).unwrap()
    }

    /// A disk image with a piece of each kind, as it is stored and plain, and its coding.
    fn image() -> (Vec<u8>, Vec<u8>, DiskCoding) {
        let (mut stored, mut plain, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        let copy = |bytes: &[u8], stored: &mut Vec<u8>, plain: &mut Vec<u8>| {
            stored.extend_from_slice(bytes);
            plain.extend_from_slice(bytes);
        };
        copy(&[1; 96], &mut stored, &mut plain);
        pieces.push(DiskPiece::Plain(96));
        for (number, (encoder, gap_bytes, sizes)) in
            [(LEVEL_9, 0, vec![70_000; 9]), (LEVEL_1, 2, vec![8192, 8192, 5]), (LEVEL_9, 0, vec![1, 30_000])]
                .into_iter()
                .enumerate()
        {
            let mut coded_bytes = 0;
            for &size in &sizes {
                copy(&vec![7; usize::from(gap_bytes)], &mut stored, &mut plain);
                let block = text(size as usize, number as u8);
                let coded = encode(&encoder, &block);
                coded_bytes += coded.len() as u64;
                stored.extend_from_slice(&coded);
                plain.extend_from_slice(&block);
            }
            pieces.push(DiskPiece::Run(Box::new(BlockRun::new(encoder.into(), gap_bytes, &sizes, coded_bytes))));
            let kept = text(5000, 99);
            stored.extend_from_slice(b"kept");
            plain.extend_from_slice(&kept);
            pieces.push(DiskPiece::Kept(Box::new(KeptBlock { plain_bytes: 5000, coded: b"kept".to_vec() })));
        }
        copy(&text(1 << 20, 50), &mut stored, &mut plain);
        pieces.push(DiskPiece::Plain(1 << 20));
        (stored, plain, DiskCoding { pieces })
    }

    fn make(pieces: &[DiskPiece], plain: &[u8], step: usize) -> Result<Vec<u8>, LocalError> {
        let (pool, mut made) = (Pool::new(), Vec::new());
        let mut maker = DiskMaker::new(&pool, pieces);
        let mut sink = |bytes: &[u8]| {
            made.extend_from_slice(bytes);
            Ok(())
        };
        for piece in plain.chunks(step) {
            maker.write::<LocalError>(piece, &mut sink)?;
        }
        maker.finish(&mut sink)?;
        Ok(made)
    }

    #[test]
    fn an_image_is_made_from_its_plain_image_however_that_arrives() {
        let (stored, plain, coding) = image();
        assert_eq!((coding.stored_bytes(), coding.plain_bytes()), (stored.len() as u64, plain.len() as u64));
        for step in [1000, 65_537, usize::MAX] {
            assert!(make(&coding.pieces, &plain, step).unwrap() == stored, "{step}");
        }
        // Any pieces in a row are made alone.
        let first: u64 = coding.pieces[..2].iter().map(DiskPiece::plain_bytes).sum();
        let made = make(&coding.pieces[2..], &plain[first as usize..], 9000).unwrap();
        assert!(stored.ends_with(&made) && made.len() > 1 << 20);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let (_, plain, coding) = image();
        assert!(make(&coding.pieces, &plain[..plain.len() - 1], 9000).is_err());
        assert!(make(&coding.pieces, &[&plain, b"x".as_slice()].concat(), 9000).is_err());
        let with = |change: fn(&mut BlockRun)| {
            let mut pieces = coding.pieces.clone();
            if let DiskPiece::Run(run) = &mut pieces[1] {
                change(run);
            }
            make(&pieces, &plain, 9000).unwrap_err().to_string()
        };
        assert!(with(|run| run.coded_bytes += 1).contains("shorter"));
        assert!(with(|run| run.coded_bytes -= 1).contains("longer"));
        assert!(with(|run| run.encoder = [0x80, 0x7f].into()).contains("does not know"));
        let other = plain.iter().map(|byte| byte ^ 3).collect::<Vec<u8>>();
        assert!(make(&coding.pieces, &other, 9000).is_err());
    }
}
