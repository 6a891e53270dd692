//! What the catalog remembers of SHA-256 of images: how far hashing was after each block.
//!
//! An image's blocks are hashed with BLAKE3 anyway, by all cores. As long as they are those of an image that was made
//! before, SHA-256 is where it was then, and need not be computed again. Nothing is guessed: the bytes in front of a
//! step are known by their BLAKE3 hashes when the step is used.

use regrow_catalog::Catalog;
use regrow_chunker::{PartName, varint};

use super::hash::{HashState, STATE_BYTES, Sha256};

/// The kind of the catalog's documents. Its name is the hash of an image's first block. The number changes with the
/// form of the document, and with the form of a state.
const KIND: &str = "sha256-1";
/// The number of images with the same first block that are remembered.
const RUNS_MAX: usize = 4;
/// The number of blocks of an image that are remembered: 64 GiB.
pub(super) const STEPS_MAX: usize = 1 << 14;
/// The largest document: far more than all of its steps take.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 1;

/// How far hashing is after a block of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The BLAKE3 hash of the block as a subtree of the image's.
    pub(super) block: [u8; 32],
    /// The number of the image's bytes that are hashed.
    pub(super) at: u64,
    /// SHA-256 of them.
    pub(super) image: HashState,
    /// The part that the block ends in: its offset, and SHA-256 of its bytes so far.
    pub(super) part: Option<(u64, HashState)>,
    /// The parts that ended in the block.
    pub(super) ended: Vec<Ended>,
}

/// A part that has ended, by its stretch of the image and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) name: PartName,
}

/// The steps of an image, from its first block on.
pub(super) type Run = Vec<Step>;

/// The images that are remembered with this first block, the newest first.
pub(super) fn remembered(catalog: &Catalog, first_block: &[u8; 32]) -> Vec<Run> {
    catalog.get_document(KIND, &name(first_block)).and_then(|document| decode(&document)).unwrap_or_default()
}

/// Remembers an image beside those that are known with the same first block.
pub(super) fn remember(catalog: &Catalog, mut known: Vec<Run>, run: Run) {
    let Some(first) = run.first() else { return };
    let name = name(&first.block);
    known.retain(|known| !run.starts_with(known));
    known.insert(0, run);
    known.truncate(RUNS_MAX);
    if let Some(document) = encode(&known) {
        catalog.put_document(KIND, &name, &document);
    }
}

fn name(first_block: &[u8; 32]) -> String {
    first_block.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(runs: &[Run]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for run in runs {
        varint::put(&mut out, run.len() as u64);
        for step in run {
            out.extend_from_slice(&step.block);
            varint::put(&mut out, step.at);
            out.extend_from_slice(&step.image);
            out.push(u8::from(step.part.is_some()));
            if let Some((start, state)) = &step.part {
                varint::put(&mut out, *start);
                out.extend_from_slice(state);
            }
            varint::put(&mut out, step.ended.len() as u64);
            for ended in &step.ended {
                varint::put(&mut out, ended.start);
                varint::put(&mut out, ended.end);
                out.extend_from_slice(ended.name.as_bytes());
            }
        }
    }
    (out.len() <= DOCUMENT_BYTES_MAX).then(|| zstd::bulk::compress(&out, ZSTD_LEVEL).ok())?
}

fn decode(document: &[u8]) -> Option<Vec<Run>> {
    let bytes = zstd::bulk::Decompressor::upper_bound(document).filter(|&bytes| bytes <= DOCUMENT_BYTES_MAX)?;
    let plain = zstd::bulk::decompress(document, bytes).ok()?;
    let (mut rest, mut runs) = (plain.as_slice(), Vec::new());
    while !rest.is_empty() {
        let steps = varint::take(&mut rest).filter(|&steps| steps <= STEPS_MAX as u64)?;
        runs.push((0..steps).map(|_| take_step(&mut rest)).collect::<Option<_>>()?);
    }
    Some(runs)
}

fn take_step(rest: &mut &[u8]) -> Option<Step> {
    let block = take_hash(rest)?;
    let (at, image) = (varint::take(rest)?, take_state(rest)?);
    let part = match rest.split_off_first()? {
        0 => None,
        _ => Some((varint::take(rest)?, take_state(rest)?)),
    };
    let ended = varint::take(rest)?;
    let take_ended = |_| {
        let (start, end) = (varint::take(rest)?, varint::take(rest)?);
        Some(Ended { start, end, name: PartName::from_bytes(take_hash(rest)?) })
    };
    let ended = (0..ended).map(take_ended).collect::<Option<_>>()?;
    Some(Step { block, at, image, part, ended })
}

fn take_hash(rest: &mut &[u8]) -> Option<[u8; 32]> {
    let (hash, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*hash)
}

/// Takes a state from which hashing can continue.
fn take_state(rest: &mut &[u8]) -> Option<HashState> {
    let (bytes, behind) = rest.split_first_chunk::<STATE_BYTES>()?;
    *rest = behind;
    Sha256::of_state(bytes).map(|_| *bytes)
}
