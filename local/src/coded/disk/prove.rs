//! Finds out how each compressed block of a disk image is made again, on all cores.

use std::collections::VecDeque;
use std::sync::Arc;

use regrow_disk::codec::{BlockEncoder, FillEncoder, decode, recognise};
use regrow_disk::{HashTree, ReadAt, StoredForm, StoredPiece};
use regrow_index::{DiskCoding, KeptBlock};

use super::builder::{Builder, MAX_FILLED_GAP_BYTES, MAX_GROUP_BYTES};
use super::filled::{Batch, FoundFilled, window_bytes};
use super::guess::{DiskGuess, guess_disk, makes};
use super::places::PlacedBlock;
use crate::LocalError;
use crate::coded::prove::{FoundStream, StreamToProve, prove_stream};
use crate::pool::{Ordered, Pool};

/// The number of blocks that may wait for a worker.
const BLOCKS_IN_FLIGHT: usize = 8;
/// The most blocks for which another encoder is looked for. Each takes as long as dozens of blocks.
const MAX_SEARCHES: usize = 8;
/// A block has corrections if they take at most one part in this many of it. All of them together are bounded below.
const CORRECTED_SHARE: usize = 2;
/// The most compressed bytes of blocks that no encoder makes, and the share of the image that they may be.
const MAX_KEPT_BYTES: u64 = 12 << 20;
const MAX_KEPT_PERCENT: u64 = 4;

const DAMAGED: &str = "its compressed blocks are damaged";
const MANY_KEPT: &str = "too many of its compressed blocks are made by no known encoder";

/// The result of the search for encoders.
pub(crate) enum DiskProof {
    /// The image can be made again exactly in this way.
    Exact(DiskCoding),
    /// It cannot, for this reason.
    Impossible(String),
}

/// What a worker found out about a block.
enum Found {
    /// The encoder of this number makes it: the block.
    Made(usize, Vec<u8>),
    /// The encoder of this number nearly makes it: the corrections.
    Corrected(usize, Vec<u8>),
    /// A stream, and how it is made.
    Stream(FoundStream),
    /// None of those that it tried does: the block and its plain bytes.
    Unmade(Vec<u8>, Vec<u8>),
    Damaged,
    /// What was found out about some pieces.
    Batch(Vec<FoundFilled>),
}

/// Examines all blocks of a disk image that lies in these pieces.
pub(crate) fn prove_disk(
    image: &(dyn ReadAt + Sync),
    (pieces, tree): (&[StoredPiece], Option<&HashTree>),
    pool: &Pool,
) -> Result<DiskProof, LocalError> {
    let encoders = match guess_disk(image, pieces) {
        DiskGuess::Coded(encoders) => encoders,
        DiskGuess::NotRebuilt(reason) => return Ok(DiskProof::Impossible(reason)),
    };
    let fills: Arc<[FillEncoder]> = encoders.fills.into();
    let mut proof =
        Prover { encoders: encoders.blocks.into(), searches: 0, builder: Builder::default(), blocks: 0, kept: 0, tree };
    let (mut queue, mut waiting) = (Ordered::new(BLOCKS_IN_FLIGHT), VecDeque::new());
    let (mut stored_at, mut left) = (0, pieces);
    loop {
        let is_end = left.is_empty();
        if let Some(piece) = left.first() {
            let count = if matches!(piece.form, StoredForm::Filled { .. }) { batch_pieces(left) } else { 1 };
            let (now, rest) = left.split_at(count);
            match piece.form {
                StoredForm::Plain | StoredForm::Stream { .. } | StoredForm::HashTree => {}
                StoredForm::Block { codec, plain_bytes } => {
                    let (stored_bytes, encoders) = (stored_bytes(piece), Arc::clone(&proof.encoders));
                    let block = PlacedBlock { codec, stored_at, stored_bytes, plain_at: 0, plain_bytes, filled: None };
                    let mut stored = vec![0; stored_bytes as usize];
                    image.read_exact_at(&mut stored, stored_at).map_err(LocalError::io("the disk image"))?;
                    queue.push(pool.submit(move || try_all(block, stored, &encoders)));
                }
                StoredForm::Filled { .. } => {
                    let batch = batch(image, stored_at, (now, rest), &fills)?;
                    let fills = Arc::clone(&fills);
                    queue.push(pool.submit(move || Found::Batch(batch.examine(&fills))));
                }
            }
            waiting.push_back((now, stored_at));
            stored_at += now.iter().map(|piece| piece.bytes).sum::<u64>();
            left = rest;
        }
        // Plain pieces wait for the blocks before them.
        while let Some(&(first, at)) = waiting.front() {
            let found = match first {
                [StoredPiece { form: StoredForm::Plain | StoredForm::HashTree, .. }] => None,
                &[StoredPiece { form: StoredForm::Stream { codec, plain_bytes }, bytes }] => {
                    match prove_stream(StreamToProve { image, at, bytes, codec, plain_bytes }, pool)? {
                        Ok(found) => Some(Found::Stream(found)),
                        Err(reason) => {
                            let reason = format!("its {codec} stream cannot be made again: {reason}");
                            return Ok(DiskProof::Impossible(reason));
                        }
                    }
                }
                _ => match if is_end { queue.next()? } else { queue.next_due()? } {
                    Some(found) => Some(found),
                    None => break,
                },
            };
            waiting.pop_front();
            if let Err(reason) = proof.add_all(first, found) {
                return Ok(DiskProof::Impossible(reason.to_owned()));
            }
        }
        if is_end {
            return Ok(proof.finish(stored_at));
        }
    }
}

fn stored_bytes(piece: &StoredPiece) -> u32 {
    u32::try_from(piece.bytes).unwrap_or(u32::MAX)
}

/// The number of pieces, of which the first is a filled block, that one worker examines.
fn batch_pieces(pieces: &[StoredPiece]) -> usize {
    let mut plain_bytes = 0;
    let fits = |piece: &&StoredPiece| {
        let is_small = match piece.form {
            StoredForm::Plain => piece.bytes <= MAX_FILLED_GAP_BYTES,
            StoredForm::Block { .. } | StoredForm::Stream { .. } | StoredForm::HashTree => false,
            StoredForm::Filled { .. } => true,
        };
        let fits = is_small && plain_bytes < MAX_GROUP_BYTES;
        plain_bytes += piece.plain_bytes();
        fits
    };
    pieces.iter().take_while(fits).count().max(1)
}

/// The pieces that one worker examines, and what is behind them that their encoders look at.
fn batch(
    image: &dyn ReadAt,
    stored_at: u64,
    (now, rest): (&[StoredPiece], &[StoredPiece]),
    fills: &[FillEncoder],
) -> Result<Batch, LocalError> {
    let blocks = now.iter().filter(|piece| piece.form.block().is_some());
    let window = window_bytes(fills, blocks.map(StoredPiece::plain_bytes).max().unwrap_or(0));
    let (mut wanted, mut after) = (0, 0u64);
    for piece in now.iter().rev() {
        if let StoredForm::Filled { behind, .. } = piece.form {
            wanted = behind.min(window).saturating_sub(after).max(wanted);
        }
        after += piece.plain_bytes();
    }
    let mut pieces = now.to_vec();
    for piece in rest {
        if wanted == 0 {
            break;
        }
        // Of plain bytes, no more than are wanted.
        let bytes = if piece.form == StoredForm::Plain { piece.bytes.min(wanted) } else { piece.bytes };
        let piece = StoredPiece { bytes, ..*piece };
        wanted = wanted.saturating_sub(piece.plain_bytes());
        pieces.push(piece);
    }
    let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    let mut stored = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    image.read_exact_at(&mut stored, stored_at).map_err(LocalError::io("the disk image"))?;
    Ok(Batch { pieces, examined: now.len(), stored })
}

/// Tries encoders on a block.
fn try_all(block: PlacedBlock, stored: Vec<u8>, encoders: &[BlockEncoder]) -> Found {
    let plain = decode(block.codec, &stored, block.plain_bytes as usize).ok();
    let Some(plain) = plain.filter(|plain| plain.len() == block.plain_bytes as usize) else { return Found::Damaged };
    let of_codec = || encoders.iter().enumerate().filter(|(_, known)| known.codec() == block.codec);
    if let Some((number, _)) = of_codec().find(|(_, known)| makes(**known, &stored, &plain)) {
        return Found::Made(number, stored);
    }
    let most = stored.len() / CORRECTED_SHARE;
    match of_codec().find_map(|(number, known)| Some((number, known.corrections(&stored, &plain, most)?))) {
        Some((number, corrections)) => Found::Corrected(number, corrections),
        None => Found::Unmade(stored, plain),
    }
}

/// Takes what was found out about the blocks, in order.
struct Prover<'a> {
    encoders: Arc<[BlockEncoder]>,
    /// The number of blocks for which another encoder was looked for.
    searches: usize,
    builder: Builder,
    blocks: u64,
    /// The bytes of blocks that are kept, and of corrections.
    kept: u64,
    /// The image's hash tree, if it has one. It was computed when it was found.
    tree: Option<&'a HashTree>,
}

impl Prover<'_> {
    /// Takes pieces that were examined together. The result is an error if the image cannot be made again.
    fn add_all(&mut self, pieces: &[StoredPiece], found: Option<Found>) -> Result<(), &'static str> {
        match (pieces, found) {
            (pieces, Some(Found::Batch(found))) => {
                pieces.iter().zip(found).try_for_each(|(piece, found)| self.add_filled(*piece, found))
            }
            (&[piece], found) => self.add(piece, found),
            _ => Err(DAMAGED),
        }
    }

    fn add_filled(&mut self, piece: StoredPiece, found: FoundFilled) -> Result<(), &'static str> {
        let StoredForm::Filled { plain_bytes, .. } = piece.form else {
            self.builder.plain(piece.bytes);
            return Ok(());
        };
        self.blocks += 1;
        match found {
            FoundFilled::Made(known, behind, stored) => self.builder.filled(known, (plain_bytes, behind), &stored),
            FoundFilled::Unmade(coded) => {
                self.keep(coded.len())?;
                self.builder.kept(KeptBlock { plain_bytes, coded });
            }
            FoundFilled::Plain | FoundFilled::Damaged => return Err(DAMAGED),
        }
        Ok(())
    }

    /// Takes a piece. The result is an error if the image cannot be made again.
    fn add(&mut self, piece: StoredPiece, found: Option<Found>) -> Result<(), &'static str> {
        let (codec, plain_bytes) = match piece.form {
            StoredForm::Block { codec, plain_bytes } => (codec, plain_bytes),
            StoredForm::Stream { plain_bytes, .. } => {
                let Some(Found::Stream(found)) = found else { return Err(DAMAGED) };
                self.keep(found.corrections.len())?;
                self.builder.stream(found, plain_bytes, piece.bytes);
                return Ok(());
            }
            StoredForm::HashTree => {
                let tree = self.tree.filter(|tree| tree.tree_bytes() == Some(piece.bytes)).ok_or(DAMAGED)?;
                self.builder.tree(tree);
                return Ok(());
            }
            StoredForm::Plain | StoredForm::Filled { .. } => {
                self.builder.plain(piece.bytes);
                return Ok(());
            }
        };
        self.blocks += 1;
        match found {
            Some(Found::Made(number, stored)) => self.builder.block(self.encoders[number], plain_bytes, &stored),
            Some(Found::Corrected(number, corrections)) => {
                self.keep(corrections.len())?;
                let coded_bytes = u32::try_from(piece.bytes).unwrap_or(u32::MAX);
                self.builder.corrected(self.encoders[number], plain_bytes, (coded_bytes, corrections));
            }
            Some(Found::Unmade(stored, plain)) => {
                // Workers that began before the last encoder was found did not try it.
                let known = self.encoders.iter().rev().copied().find(|known| makes(*known, &stored, &plain));
                let known = known.or_else(|| {
                    self.searches += 1;
                    let searches = self.searches <= MAX_SEARCHES;
                    searches.then(|| recognise(codec, &[(&stored, &plain)]).next()).flatten()
                });
                match known {
                    Some(known) => {
                        if !self.encoders.contains(&known) {
                            self.encoders = self.encoders.iter().copied().chain([known]).collect();
                        }
                        self.builder.block(known, plain_bytes, &stored);
                    }
                    None => {
                        self.keep(stored.len())?;
                        self.builder.kept(KeptBlock { plain_bytes, coded: stored });
                    }
                }
            }
            Some(Found::Damaged | Found::Batch(_) | Found::Stream(_)) | None => return Err(DAMAGED),
        }
        Ok(())
    }

    /// Notes bytes that stand in the index: of blocks that are kept, or of corrections.
    fn keep(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.kept += bytes as u64;
        if self.kept > MAX_KEPT_BYTES { Err(MANY_KEPT) } else { Ok(()) }
    }

    fn finish(self, image_bytes: u64) -> DiskProof {
        if self.kept > image_bytes / 100 * MAX_KEPT_PERCENT {
            return DiskProof::Impossible(MANY_KEPT.to_owned());
        }
        DiskProof::Exact(DiskCoding { pieces: self.builder.finish() })
    }
}
