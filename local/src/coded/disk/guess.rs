//! Decides by a few compressed blocks whether a disk image is coded. The answer depends on nothing but the image, so make
//! and a machine that scans it agree. docs/format/disk.md.

use regrow_disk::codec::{BlockEncoder, FillEncoder, decode, nearest, recognise};
use regrow_disk::{BlockCodec, ReadAt, StoredPiece};
use regrow_index::MAX_BLOCK_PLAIN_BYTES;

use super::filled::{FilledBlock, FilledSizes, window_bytes};
use super::places::{DiskPlaces, PlacedBlock, PlacedStream};
use super::streams::has_known_beginning;
use crate::coded::prove::StreamToProve;

/// The number of blocks that are looked at, evenly spread over the image.
const SAMPLES: usize = 4;
/// The share of a block that its corrections may have.
const NEAR_SHARE: usize = 10;
/// The most compressed bytes of a block.
pub(super) const MAX_STORED_BYTES: u64 = 2 * MAX_BLOCK_PLAIN_BYTES as u64;

/// The answer for a disk image with compressed blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiskGuess {
    /// It is coded: known encoders make the blocks that were looked at.
    Coded(Encoders),
    /// It is kept in its compressed form, for this reason.
    NotRebuilt(String),
}

/// The encoders of a disk image's blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encoders {
    /// Those of blocks that stand alone.
    pub(super) blocks: Vec<BlockEncoder>,
    /// Those of blocks that are filled up.
    pub(super) fills: Vec<FillEncoder>,
}

impl Encoders {
    /// Adds an encoder of blocks. Some blocks are the same by many encoders, so it takes the place of the others if it also
    /// makes what was looked at before.
    fn add(&mut self, known: BlockEncoder, image: &dyn ReadAt, before: &[PlacedBlock]) {
        let mut before = before.iter().filter(|block| block.filled.is_none() && block.codec == known.codec());
        if before.all(|block| read(image, *block).is_some_and(|(stored, plain)| makes(known, &stored, &plain))) {
            self.blocks.retain(|other| other.codec() != known.codec());
        }
        self.blocks.push(known);
    }
}

/// Decides about an image that lies in these pieces.
pub(crate) fn guess_disk(image: &(dyn ReadAt + Sync), pieces: &[StoredPiece]) -> DiskGuess {
    let not_rebuilt = |reason: &str| DiskGuess::NotRebuilt(reason.to_owned());
    let fits = |piece: &StoredPiece| match piece.form.block() {
        None => true,
        Some((_, plain_bytes)) => {
            (1..=MAX_STORED_BYTES).contains(&piece.bytes) && (1..=MAX_BLOCK_PLAIN_BYTES).contains(&plain_bytes)
        }
    };
    let Some(places) = Some(pieces).filter(|pieces| pieces.iter().all(fits)).and_then(DiskPlaces::of) else {
        return not_rebuilt("its compressed blocks are larger than 16 MiB");
    };
    for PlacedStream { codec, stored_at: at, stored_bytes: bytes, plain_bytes, .. } in stream_samples(&places) {
        if !has_known_beginning(StreamToProve { image, at, bytes, codec, plain_bytes }) {
            return DiskGuess::NotRebuilt(format!("the encoder of its {codec} stream is not known"));
        }
    }
    let (mut encoders, sizes) = (Encoders::default(), FilledSizes::of(pieces));
    let samples = samples(&places);
    for (number, &sample) in samples.iter().enumerate() {
        if sample.filled.is_some() {
            match fills(image, &places, sample, sizes, &encoders.fills) {
                Some(known) if encoders.fills.contains(&known) => {}
                Some(known) => encoders.fills.push(known),
                None => return DiskGuess::NotRebuilt(unknown(sample.codec)),
            }
            continue;
        }
        let Some((stored, plain)) = read(image, sample) else {
            return not_rebuilt("its compressed blocks are damaged");
        };
        if encoders.blocks.iter().any(|known| makes(*known, &stored, &plain) || comes_near(*known, &stored, &plain)) {
            continue;
        }
        let known = recognise(sample.codec, &[(&stored, &plain)]).next();
        match known.or_else(|| nearest(sample.codec, &stored, &plain)) {
            Some(known) => encoders.add(known, image, &samples[..number]),
            None => return DiskGuess::NotRebuilt(unknown(sample.codec)),
        }
    }
    DiskGuess::Coded(encoders)
}

/// The encoder that fills up this block, if one does. Those that are known already are tried first.
fn fills(
    image: &dyn ReadAt,
    places: &DiskPlaces,
    block: PlacedBlock,
    sizes: FilledSizes,
    known: &[FillEncoder],
) -> Option<FillEncoder> {
    let candidates: Vec<_> = known.iter().copied().chain(sizes.candidates(block.codec)).collect();
    let window = window_bytes(&candidates, block.plain_bytes.into());
    FilledBlock::read(image, places, block, usize::try_from(window).ok()?)?.encoder(&candidates)
}

/// The reason why blocks are not made again.
fn unknown(codec: BlockCodec) -> String {
    format!("the encoder of its {codec} blocks is not known")
}

/// The largest block of each of some stretches of equal numbers of blocks, since a large block tells most.
fn samples(places: &DiskPlaces) -> Vec<PlacedBlock> {
    let blocks = places.blocks();
    let stretches = blocks.chunks(blocks.len().div_ceil(SAMPLES).max(1));
    stretches.filter_map(|stretch| stretch.iter().rev().max_by_key(|block| block.stored_bytes).copied()).collect()
}

/// The same of streams.
fn stream_samples(places: &DiskPlaces) -> Vec<PlacedStream> {
    let streams: Vec<_> = places.streams().iter().filter(|stream| stream.plain_bytes > 0).collect();
    let stretches = streams.chunks(streams.len().div_ceil(SAMPLES).max(1));
    let largest = |stretch: &[&PlacedStream]| {
        stretch.iter().rev().max_by_key(|stream| stream.stored_bytes).map(|&&stream| stream)
    };
    stretches.filter_map(largest).collect()
}

/// Whether a block follows from what an encoder makes, and from few corrections.
fn comes_near(known: BlockEncoder, stored: &[u8], plain: &[u8]) -> bool {
    corrections(known, stored, plain).is_some()
}

/// The corrections by which a block follows from what an encoder makes, if they are few.
fn corrections(known: BlockEncoder, stored: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    known.corrections(stored, plain, stored.len() / NEAR_SHARE)
}

pub(super) fn makes(known: BlockEncoder, stored: &[u8], plain: &[u8]) -> bool {
    known.encode(plain).is_ok_and(|made| made == stored)
}

/// A block as it is stored, and its plain bytes, if it can be read and holds as many as its file system says.
pub(super) fn read(image: &dyn ReadAt, block: PlacedBlock) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut stored = vec![0; block.stored_bytes as usize];
    image.read_exact_at(&mut stored, block.stored_at).ok()?;
    let plain = decode(block.codec, &stored, block.plain_bytes as usize).ok()?;
    (plain.len() == block.plain_bytes as usize).then_some((stored, plain))
}
