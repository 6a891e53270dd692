//! Finds out how each compressed block of a disk image is made again, on all cores.

use std::sync::Arc;

use regrow_disk::codec::{BlockEncoder, decode, recognise};
use regrow_disk::{ReadAt, StoredForm, StoredPiece};
use regrow_index::{BlockRun, CorrectedBlock, DiskCoding, DiskPiece, KeptBlock, MAX_GAP_BYTES};

use super::guess::{DiskGuess, guess_disk, makes};
use super::places::PlacedBlock;
use super::run_digest;
use crate::LocalError;
use crate::pool::{Ordered, Pool};

/// The number of blocks that may wait for a worker.
const BLOCKS_IN_FLIGHT: usize = 8;
/// The most plain bytes of a run, unless a single block has more. One task makes a run when the image is written.
const MAX_RUN_BYTES: u64 = 8 << 20;
/// The most blocks for which another encoder is looked for. Each takes as long as dozens of blocks.
const MAX_SEARCHES: usize = 8;
/// A block has corrections if they take at most one part in this many of it. All of them together are bounded below.
const CORRECTED_SHARE: usize = 2;
/// The most compressed bytes of blocks that no encoder makes, and the share of the image that they may be.
const MAX_KEPT_BYTES: u64 = 12 << 20;
const MAX_KEPT_PERCENT: u64 = 2;

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
    /// None of those that it tried does: the block and its plain bytes.
    Unmade(Vec<u8>, Vec<u8>),
    Damaged,
}

/// Examines all blocks of a disk image that lies in these pieces.
pub(crate) fn prove_disk(image: &dyn ReadAt, pieces: &[StoredPiece], pool: &Pool) -> Result<DiskProof, LocalError> {
    let encoders = match guess_disk(image, pieces) {
        DiskGuess::Coded(encoders) => encoders,
        DiskGuess::NotRebuilt(reason) => return Ok(DiskProof::Impossible(reason)),
    };
    let mut proof = Prover { encoders: encoders.into(), searches: 0, builder: Builder::default(), blocks: 0, kept: 0 };
    let (mut queue, mut waiting) = (Ordered::new(BLOCKS_IN_FLIGHT), std::collections::VecDeque::new());
    let (mut stored_at, mut next) = (0, pieces.iter());
    loop {
        let piece = next.next();
        if let Some(piece) = piece {
            if let StoredForm::Block { codec, plain_bytes } = piece.form {
                let stored_bytes = u32::try_from(piece.bytes).unwrap_or(u32::MAX);
                let block = PlacedBlock { codec, stored_at, stored_bytes, plain_at: 0, plain_bytes };
                let mut stored = vec![0; stored_bytes as usize];
                image.read_exact_at(&mut stored, stored_at).map_err(LocalError::io("the disk image"))?;
                let encoders = Arc::clone(&proof.encoders);
                queue.push(pool.submit(move || try_all(block, stored, &encoders)));
            }
            waiting.push_back(*piece);
            stored_at += piece.bytes;
        }
        // Plain pieces wait for the blocks before them.
        while let Some(first) = waiting.front().copied() {
            let found = match first.form {
                StoredForm::Plain => None,
                StoredForm::Block { .. } => match if piece.is_none() { queue.next()? } else { queue.next_due()? } {
                    Some(found) => Some(found),
                    None => break,
                },
            };
            waiting.pop_front();
            if let Err(reason) = proof.add(first, found) {
                return Ok(DiskProof::Impossible(reason.to_owned()));
            }
        }
        if piece.is_none() {
            return Ok(proof.finish(stored_at));
        }
    }
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
struct Prover {
    encoders: Arc<[BlockEncoder]>,
    /// The number of blocks for which another encoder was looked for.
    searches: usize,
    builder: Builder,
    blocks: u64,
    /// The bytes of blocks that are kept, and of corrections.
    kept: u64,
}

impl Prover {
    /// Takes a piece. The result is an error if the image cannot be made again.
    fn add(&mut self, piece: StoredPiece, found: Option<Found>) -> Result<(), &'static str> {
        let StoredForm::Block { codec, plain_bytes } = piece.form else {
            self.builder.plain(piece.bytes);
            return Ok(());
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
            Some(Found::Damaged) | None => return Err("its compressed blocks are damaged"),
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

/// Joins blocks to runs.
#[derive(Default)]
struct Builder {
    pieces: Vec<DiskPiece>,
    /// Plain bytes behind the last block.
    plain: u64,
    run: Option<Run>,
    /// The encoder of the last run, as it is written down.
    written: Option<(BlockEncoder, Arc<[u8]>)>,
}

/// A run that is not complete.
struct Run {
    encoder: BlockEncoder,
    gap_bytes: u64,
    sizes: Vec<u32>,
    plain_bytes: u64,
    coded_bytes: u64,
    coded_hash: blake3::Hasher,
}

impl Builder {
    fn plain(&mut self, bytes: u64) {
        self.plain += bytes;
    }

    fn block(&mut self, encoder: BlockEncoder, plain_bytes: u32, coded: &[u8]) {
        let coded_bytes = coded.len() as u64;
        let goes_on =
            |run: &&mut Run| run.encoder == encoder && run.gap_bytes == self.plain && run.plain_bytes < MAX_RUN_BYTES;
        if let Some(run) = self.run.as_mut().filter(goes_on) {
            run.sizes.push(plain_bytes);
            (run.plain_bytes, run.coded_bytes) =
                (run.plain_bytes + u64::from(plain_bytes), run.coded_bytes + coded_bytes);
            run.coded_hash.update(coded);
            self.plain = 0;
            return;
        }
        self.end_run();
        let gap_bytes = if self.plain <= MAX_GAP_BYTES.into() { std::mem::take(&mut self.plain) } else { 0 };
        self.end_plain();
        let (sizes, mut coded_hash) = (vec![plain_bytes], blake3::Hasher::new());
        coded_hash.update(coded);
        self.run = Some(Run { encoder, gap_bytes, sizes, plain_bytes: plain_bytes.into(), coded_bytes, coded_hash });
    }

    fn corrected(&mut self, encoder: BlockEncoder, plain_bytes: u32, (coded_bytes, corrections): (u32, Vec<u8>)) {
        self.end_run();
        self.end_plain();
        let encoder = self.written(encoder);
        self.pieces.push(DiskPiece::Corrected(Box::new(CorrectedBlock {
            encoder,
            plain_bytes,
            coded_bytes,
            corrections,
        })));
    }

    /// An encoder as it is written down.
    fn written(&mut self, encoder: BlockEncoder) -> Arc<[u8]> {
        match &self.written {
            Some((known, written)) if *known == encoder => Arc::clone(written),
            _ => {
                let mut written = Vec::new();
                encoder.put(&mut written);
                let written: Arc<[u8]> = written.into();
                self.written = Some((encoder, Arc::clone(&written)));
                written
            }
        }
    }

    fn kept(&mut self, kept: KeptBlock) {
        self.end_run();
        self.end_plain();
        self.pieces.push(DiskPiece::Kept(Box::new(kept)));
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let encoder = self.written(run.encoder);
        // What is larger than a gap was not taken for one.
        let run =
            BlockRun::new(encoder, run.gap_bytes as u8, &run.sizes, (run.coded_bytes, run_digest(&run.coded_hash)));
        self.pieces.push(DiskPiece::Run(Box::new(run)));
    }

    fn end_plain(&mut self) {
        let bytes = std::mem::take(&mut self.plain);
        if bytes > 0 {
            self.pieces.push(DiskPiece::Plain(bytes));
        }
    }

    fn finish(mut self) -> Vec<DiskPiece> {
        self.end_run();
        self.end_plain();
        self.pieces
    }
}
